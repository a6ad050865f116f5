import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { planUnload, type Selection } from './plan.ts';
import { type ModelResult, type Operation, outcomeOf, type RouterResult, summarize } from './report.ts';
import { type Hands, type RunOptions, runUnload } from './run.ts';

/** What somebody wants unloaded, and how. */
export interface UnloadRequest {
  trigger: Operation['trigger'];
  reason: string;
  /** Names of routers; empty: all. */
  routers: readonly string[];
  selection: Selection;
  timeoutMs: number;
  wait: boolean;
  dryRun: boolean;
}

/** Told of each model as its result is known. */
export type Progress = (router: string, result: ModelResult) => void;

/**
 * The careful unload: plans on what is believed, acts on all routers side by side, and reports. Never throws; a
 * router that cannot be reached is a fault in the report and costs the others nothing.
 */
export async function unload(
  request: UnloadRequest,
  routers: readonly Hands[],
  clock: Clock,
  progress: Progress = () => {},
): Promise<Operation> {
  const wanted = routers.filter(
    ({ desk }) => request.routers.length === 0 || request.routers.includes(desk.belief.name),
  );
  const startedAt = clock.now();
  const results = await Promise.all(wanted.map((hands) => unloadRouter(request, hands, clock, progress)));
  reportUnmatched(request, wanted, results);
  return {
    id: randomUUID(),
    trigger: request.trigger,
    reason: request.reason,
    outcome: outcomeOf(results, request.dryRun),
    dry_run: request.dryRun,
    started_at: new Date(startedAt).toISOString(),
    duration_seconds: Math.max(0, clock.now() - startedAt) / 1000,
    routers: results,
    summary: summarize(results),
  };
}

async function unloadRouter(
  request: UnloadRequest,
  hands: Hands,
  clock: Clock,
  progress: Progress,
): Promise<RouterResult> {
  const { belief } = hands.desk;
  const router = belief.name;
  if (!belief.up) {
    const fault = belief.fault ?? { kind: 'timeout', message: `${belief.url} has not answered yet` };
    return { router, models: [], fault };
  }
  const plan = planUnload([...belief.models.values()], request.selection);
  for (const settled of plan.settled) progress(router, settled);
  const options: RunOptions = {
    timeoutMs: request.timeoutMs,
    wait: request.wait,
    onResult: (result) => progress(router, result),
  };
  const done = request.dryRun
    ? plan.unload.map((model): ModelResult => ({ model, result: 'would_unload' }))
    : await runUnload(plan.unload, hands, clock, options);
  if (request.dryRun) for (const result of done) progress(router, result);
  return { router, models: [...done, ...plan.settled] };
}

/** A pattern that matches on no router at all is most likely misspelt: silence would pass for success. */
function reportUnmatched(request: UnloadRequest, wanted: readonly Hands[], results: RouterResult[]): void {
  const reached = wanted.filter(({ desk }) => desk.belief.up);
  for (const pattern of request.selection.models) {
    const isMatched = reached.some(
      ({ desk }) =>
        planUnload([...desk.belief.models.values()], { ...request.selection, models: [pattern] }).unmatched
          .length === 0,
    );
    if (isMatched || reached.length === 0) continue;
    const first = results.find(({ fault }) => !fault);
    first?.models.push({ model: pattern, result: 'failed', detail: 'no model has this name' });
  }
}
