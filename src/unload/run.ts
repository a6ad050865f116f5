import { setMaxListeners } from 'node:events';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimit } from '../lib/concurrency.ts';
import { formatDuration } from '../lib/duration.ts';
import type { Memory } from '../memory/memory.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import type { ModelState } from '../models/router-state.ts';
import { addPending, type RouterRun, settle } from './operation.ts';
import { planUnload, unmeasurable } from './plan.ts';
import { type ModelResult, UNMEASURED } from './report.ts';
import type { Selection, UnloadRequest } from './request.ts';
import { unloadModel } from './unload-model.ts';

/** What the runs of all operations share. */
export interface RunContext {
  clock: Clock;
  /**
   * Measures the memory that a router's models share; undefined where it is not measured. `briefly` falls back to
   * the last reading where a new one takes long; `patiently` waits for a new one.
   */
  measure(router: string, how: 'briefly' | 'patiently'): Promise<RouterMemory | undefined>;
  /** Aborted when ordered unloads are no longer watched; its reason says why. */
  stopWatching: AbortSignal;
}

/** The longest that unloads wait for a new reading: it takes milliseconds, unless a driver is slow. */
const BRIEFLY_MS = 2000;

/** Timeouts of one source: of two in the reading that runs, and of two in the next. */
const TIMEOUTS_OF_A_READING = 4;

/** Measures with the memory of this machine. */
export function measureBy(
  memory: Pick<Memory, 'fresh' | 'ofRouter'>,
  config: () => Config,
): RunContext['measure'] {
  return async (router, how) => {
    const last = memory.ofRouter(router);
    if (last === undefined) return undefined;
    const timeoutMs = TIMEOUTS_OF_A_READING * config().memory.timeout * 1000;
    const fresh = await memory.fresh(how === 'briefly' ? Math.min(BRIEFLY_MS, timeoutMs) : timeoutMs);
    if (fresh) return memory.ofRouter(router);
    return how === 'briefly' ? last : undefined;
  };
}

/** Unloads under way on one router at once: each is a process that ends. */
const AT_ONCE = 8;

/** Carries out an operation on one router; a model that fails does not stop the others. Never throws. */
export async function runOnRouter(run: RouterRun, context: RunContext): Promise<void> {
  const { result, control } = run;
  const { state } = control;
  if (state.up) await runOnReachable(run, context);
  else result.fault = state.fault ?? { kind: 'timeout', message: `${state.url} has not answered yet` };
}

async function runOnReachable(run: RouterRun, context: RunContext): Promise<void> {
  const { result, request } = run;
  const before = await context.measure(result.router, 'briefly');
  const message = unmeasurable(request.selection, before);
  if (message !== undefined) result.fault = { kind: UNMEASURED, message };
  else if (request.dryRun) rehearse(run, context.clock, before);
  else {
    await unloadAll(run, context, before);
    const after = before && (await context.measure(result.router, 'patiently'));
    if (before && after) {
      const [before_bytes, after_bytes] = [before.usedBytes, after.usedBytes];
      const freed_bytes = Math.max(0, before_bytes - after_bytes);
      result.memory = { before_bytes, after_bytes, freed_bytes };
    }
  }
}

/** Unloads what the plan says. With a target, other models take the place of those that could not be unloaded. */
async function unloadAll(
  run: RouterRun,
  context: RunContext,
  before: RouterMemory | undefined,
): Promise<void> {
  const { request, control } = run;
  const { clock, stopWatching } = context;
  const models = [...control.state.models.values()];
  const tried = new Set<string>();
  const limit = createLimit(AT_ONCE);
  setMaxListeners(0, run.stopWaiting.signal, stopWatching); // One for every model.
  let memory = before;
  let freed = 0;
  for (;;) {
    const untried = models.flatMap(({ id }) => (tried.has(id) ? [] : (control.state.models.get(id) ?? [])));
    const selection = withoutFreed(request.selection, freed);
    const plan = planUnload(untried, selection, clock.now(), memory);
    run.unmatched ??= plan.unmatched;
    addPending(run, plan.unload);
    const results = await Promise.all(
      plan.unload.map(async (model) => {
        tried.add(model);
        const result = await unloadModel({ run, model, selection, clock, limit, stopWatching });
        settle(run, result);
        return result;
      }),
    );
    const gone = results.filter(isGone).map(({ model }) => model);
    if (request.selection.target === undefined || gone.length === results.length) {
      for (const result of plan.settled) settle(run, result);
      return;
    }
    for (const { id, facts } of models) {
      if (gone.includes(id)) freed += memory?.ofModel(id) ?? facts.sizeBytes ?? 0;
    }
    memory = await context.measure(run.result.router, 'patiently');
  }
}

/** Reports what would be done, from the observed state alone. */
function rehearse(run: RouterRun, clock: Clock, memory: RouterMemory | undefined): void {
  const { models } = run.control.state;
  const plan = planUnload([...models.values()], run.request.selection, clock.now(), memory);
  run.unmatched = plan.unmatched;
  for (const id of plan.unload) {
    const model = models.get(id);
    if (model) settle(run, rehearsedResult(model, run.request));
  }
  for (const result of plan.settled) settle(run, result);
}

function rehearsedResult(model: ModelState, { whenBusy, busyTimeoutMs }: UnloadRequest): ModelResult {
  const { id, lifecycle, activity } = model;
  const isLoading = lifecycle.status === 'loading';
  if (!isLoading && !activity?.busy) return { model: id, result: 'would_unload' };
  const doing = isLoading ? 'it is still loading' : 'it is generating';
  switch (whenBusy) {
    case 'skip':
      return { model: id, result: 'busy', detail: doing };
    case 'wait': {
      const detail = `${doing}: the operation would wait up to ${formatDuration(busyTimeoutMs / 1000)}`;
      return { model: id, result: 'would_unload', detail };
    }
    case 'force':
      return { model: id, result: 'would_unload', detail: `${doing} and would be interrupted` };
  }
}

/** The selection for what is still missing. A ratio needs no change: it is compared with a new measurement. */
function withoutFreed(selection: Selection, freed: number): Selection {
  const { target } = selection;
  if (target === undefined || !('freeBytes' in target)) return selection;
  return { ...selection, target: { freeBytes: target.freeBytes - freed } };
}

function isGone({ result }: ModelResult): boolean {
  return result === 'unloaded' || result === 'forced' || result === 'already_unloaded' || result === 'asked';
}
