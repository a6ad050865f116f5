import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { Guards } from './guards.ts';
import type { Measure } from './measure.ts';
import {
  createRuns,
  type Hooks,
  type RunContext,
  type RunningUnload,
  reportUnmatched,
  type Started,
  subsumes,
  type UnloadRun,
  unmatchedKeep,
} from './operation.ts';
import { createRegistry } from './registry.ts';
import { type Operation, unloadedModels } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';
import { runOnRouter } from './run.ts';

interface OperationsParts {
  /** The routers that are followed now. */
  controls(): readonly RouterControl[];
  /** The configured keep list of a router. */
  keep(router: string): readonly string[];
  /** Absent: every request is granted. */
  guards?: Guards;
  clock: Clock;
  /** Absent: no memory is measured. */
  measure?: Measure;
}

export type Operations = ReturnType<typeof createOperations>;

/** All operations of the service, and the unloads themselves. Operations on the same router run one after the other. */
export function createOperations(parts: OperationsParts) {
  const { controls, keep, guards, clock, measure = async () => undefined } = parts;
  const registry = createRegistry(controls, clock);
  const context: RunContext = { clock, measure, stopWatching: registry.stopWatching };
  /** The running ones, by id. */
  const unloads = new Map<string, RunningUnload>();
  const begun = createListeners<{ router: string; request: UnloadRequest }>();
  return {
    ...registry,
    /** Starts an unload, or joins a running one that subsumes the request. Never throws. */
    start,
    /** Ends an unload: models whose unload is not ordered yet are kept. */
    cancel(id: string, why: string): void {
      for (const run of unloads.get(id)?.runs ?? []) {
        run.cancelled = why;
        run.stopWaiting.abort(why);
      }
    },
    /** Called when an unload begins to act on a router; not for dry runs and refusals. */
    onBegin: begun.add,
  };

  function start(request: UnloadRequest, hooks?: Hooks): Started {
    const { selection, dryRun } = request;
    const requested = registry.controlsOf(request.routers).map((control) => {
      const kept = [...selection.keep, ...keep(control.state.name)];
      return { control, request: { ...request, selection: { ...selection, keep: kept } } };
    });
    if (!dryRun) {
      const same = [...unloads.values()].find((unload) => subsumes(unload, requested, clock.now()));
      if (same) return join(same);
      if (request.whenBusy === 'force' && !isAutomatic(request.trigger)) {
        // A forced request need not queue behind the wait for a busy model.
        const routers = requested.map(({ control }) => control.state.name);
        registry.interrupt('preempted by a forced request', routers);
      }
    }
    const runs = createRuns(requested, context, hooks);
    // Guards judge now and not when the run leaves the queue: parts of one alert must not stop each other.
    for (const run of runs) {
      const refusal = guards?.judge(run.result.router, run.request);
      if (refusal) run.result.refused = refusal;
    }
    const acts = !dryRun && runs.some(({ result }) => !result.refused);
    const work = new Set<Promise<void>>();
    const started = registry.run({ request, runs, acts, carryOut });
    unloads.set(started.id, { request, runs, started, work });
    return started;

    async function carryOut(report: Operation): Promise<void> {
      // A refused dry run still reports what would be done.
      for (const run of runs) if (dryRun || !run.result.refused) begin(run, work);
      // At least once, because the caller registers the unload first; again when a request has joined meanwhile.
      do await Promise.all(work);
      while (work.size > 0);
      unloads.delete(report.id);
      reportUnmatched(request, runs);
      report.unmatched_keep = unmatchedKeep(runs);
    }
  }

  /** Has the running unload list its routers again: what has appeared since is planned for. */
  function join({ runs, started, work }: RunningUnload): Started {
    for (const run of runs) {
      if (run.result.refused) continue;
      run.joined = true;
      if (run.ended) begin(run, work);
      else run.wake();
    }
    return { ...started, joined: true };
  }

  function begin(run: UnloadRun, work: Set<Promise<void>>): void {
    run.ended = false;
    const piece = runInTurn(run).then(() => {
      run.ended = true;
      work.delete(piece);
    });
    work.add(piece);
  }

  async function runInTurn(run: UnloadRun): Promise<void> {
    const { request, result } = run;
    const { router } = result;
    if (request.dryRun) return runOnRouter(run);
    const refusal = await registry.inTurn(router, async () => {
      begun.notify({ router, request });
      const before = unloadedModels(result).length;
      await runOnRouter(run);
      const models = unloadedModels(result).slice(before);
      if (models.length > 0) guards?.recordUnload(router, request, models);
    });
    if (refusal) result.refused = refusal;
  }
}
