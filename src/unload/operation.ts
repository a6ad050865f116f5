import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { type Plan, planUnload, type Selection } from './plan.ts';
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
  const plans = wanted.map(({ desk: { belief } }) =>
    belief.up ? planUnload([...belief.models.values()], request.selection) : undefined,
  );
  const results = await Promise.all(
    wanted.map((hands, index) => unloadRouter(request, hands, plans[index], clock, progress)),
  );
  reportUnmatched(request, plans, results, progress);
  reportUnknown(request, routers, results);
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
  plan: Plan | undefined,
  clock: Clock,
  progress: Progress,
): Promise<RouterResult> {
  const { belief } = hands.desk;
  const router = belief.name;
  if (!plan) {
    const fault = belief.fault ?? { kind: 'timeout', message: `${belief.url} has not answered yet` };
    return { router, models: [], fault };
  }
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
function reportUnmatched(
  request: UnloadRequest,
  plans: readonly (Plan | undefined)[],
  results: readonly RouterResult[],
  progress: Progress,
): void {
  const reached = plans.filter((plan) => plan !== undefined);
  const first = results[plans.findIndex((plan) => plan !== undefined)];
  for (const pattern of request.selection.models) {
    if (!first || reached.some(({ unmatched }) => !unmatched.includes(pattern))) continue;
    const result: ModelResult = { model: pattern, result: 'failed', detail: 'no model has this name' };
    first.models.push(result);
    progress(first.router, result);
  }
}

/** So is the name of a router that is not followed. */
function reportUnknown(request: UnloadRequest, routers: readonly Hands[], results: RouterResult[]): void {
  const known = routers.map(({ desk }) => desk.belief.name);
  for (const router of request.routers) {
    if (known.includes(router)) continue;
    const message = `no router is named ${router}; there is ${known.join(', ') || 'none'}`;
    results.push({ router, models: [], fault: { kind: 'unknown_router', message } });
  }
}
