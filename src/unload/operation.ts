import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { compareWhenBusy } from '../config/when-busy.ts';
import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { planUnload } from './plan.ts';
import { type ModelResult, type Operation, outcomeOf, type RouterResult, summarize } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';

/** Called with each model's result as soon as it is known. */
export type OnResult = (router: string, result: ModelResult) => void;

/** A request as it applies to one router: with the keep list that is configured for it. */
export interface RouterRequest {
  control: RouterControl;
  request: UnloadRequest;
}

/** The part of an operation on one router. */
export interface RouterRun extends RouterRequest {
  /** A part of the report. */
  result: RouterResult;
  /** Patterns of the request that match no model here; undefined until the models to unload are chosen. */
  unmatched?: readonly string[];
  /** Aborted when busy models are no longer waited for; its reason says why. */
  stopWaiting: AbortController;
  onResult: OnResult;
}

/** An operation that is running. Times are monotonic milliseconds. */
export interface RunningOperation {
  request: UnloadRequest;
  startedAt: number;
  runs: readonly RouterRun[];
  report: Operation;
}

export function createOperation(
  request: UnloadRequest,
  routers: readonly RouterRequest[],
  clock: Clock,
  onResult: OnResult = () => {},
): RunningOperation {
  const startedAt = clock.now();
  const runs = routers.map(
    (router): RouterRun => ({
      ...router,
      result: { router: router.control.state.name, models: [] },
      stopWaiting: new AbortController(),
      onResult,
    }),
  );
  return {
    request,
    startedAt,
    runs,
    report: {
      id: randomUUID(),
      trigger: request.trigger,
      caller: request.caller,
      reason: request.reason,
      when_busy: request.whenBusy,
      outcome: null,
      dry_run: request.dryRun,
      started_at: new Date(clock.wall(startedAt)).toISOString(),
      duration_seconds: 0,
      routers: runs.map(({ result }) => result),
      summary: summarize([]),
    },
  };
}

/** Adds models whose result is not known yet. */
export function addPending({ result }: RouterRun, models: readonly string[]): void {
  for (const model of models) result.models.push({ model, result: null });
}

/** Reports what the operation is waiting for before it unloads a model. */
export function setWaiting(run: RouterRun, model: string, detail: string): void {
  replacePending(run, { model, result: null, detail });
}

export function settle(run: RouterRun, result: ModelResult): void {
  replacePending(run, result);
  run.onResult(run.result.router, result);
}

function replacePending({ result: { models } }: RouterRun, entry: RouterResult['models'][number]): void {
  const place = models.findIndex(({ model, result }) => model === entry.model && result === null);
  if (place >= 0) models[place] = entry;
  else models.push(entry);
}

/** A copy of the report that does not change any more. */
export function reportOf({ report, startedAt }: RunningOperation, now: number): Operation {
  const { outcome, duration_seconds, routers } = report;
  const duration = outcome === null ? secondsBetween(startedAt, now) : duration_seconds;
  return structuredClone({ ...report, duration_seconds: duration, summary: summarize(routers) });
}

/** Completes the report when all runs have ended. `routers` are the names of all routers that exist. */
export function finishOperation(operation: RunningOperation, routers: readonly string[], now: number): void {
  const { request, report, startedAt } = operation;
  reportUnmatched(operation);
  for (const router of request.routers) {
    if (routers.includes(router)) continue;
    const message = `no router is named ${router}; there is ${routers.join(', ') || 'none'}`;
    report.routers.push({ router, models: [], fault: { kind: 'unknown_router', message } });
  }
  report.outcome = outcomeOf(report.routers, request);
  report.duration_seconds = secondsBetween(startedAt, now);
}

/**
 * A pattern that matches no model on any router is most likely misspelt, so it is a failure. Automatic requests are
 * exempt: their models may come and go.
 */
function reportUnmatched({ request, runs }: RunningOperation): void {
  const planned = runs.filter(({ unmatched }) => unmatched !== undefined);
  const [first] = planned;
  if (first === undefined || isAutomatic(request.trigger)) return;
  for (const pattern of request.selection.models) {
    if (!planned.every(({ unmatched }) => unmatched?.includes(pattern))) continue;
    settle(first, { model: pattern, result: 'failed', detail: 'no model has this name' });
  }
}

/**
 * Whether the running operation already does all that is requested: on every router it will unload each model that
 * the request would unload now, and its terms are at least as strong.
 */
export function subsumes(
  running: RunningOperation,
  requested: readonly RouterRequest[],
  now: number,
): boolean {
  if (running.request.dryRun || requested.length === 0) return false;
  return requested.every(({ control: { state }, request }) => {
    const run = running.runs.find(({ control }) => control.state.name === state.name);
    if (run === undefined || !isAtLeastAsStrong(run.request, request)) return false;
    if (isQueued(run)) {
      // It will plan on the state at that time, as the new request would, unless a guard refuses it.
      return isGuardedNoMore(run.request, request) && selectsTheSame(run.request, request);
    }
    const pending = run.result.models.flatMap(({ model, result }) => (result === null ? [model] : []));
    const { unload } = planUnload([...state.models.values()], request.selection, now);
    return unload.every((model) => pending.includes(model));
  });
}

function isQueued({ unmatched, result: { fault, refused } }: RouterRun): boolean {
  return unmatched === undefined && !fault && !refused;
}

function isAtLeastAsStrong(running: UnloadRequest, requested: UnloadRequest): boolean {
  return (
    compareWhenBusy(running.whenBusy, requested.whenBusy) >= 0 &&
    running.verify >= requested.verify &&
    (running.holdMs ?? 0) >= (requested.holdMs ?? 0)
  );
}

/** Guards that let `requested` pass let `running` pass too. */
function isGuardedNoMore(running: UnloadRequest, requested: UnloadRequest): boolean {
  return isAutomatic(requested.trigger) || !isAutomatic(running.trigger);
}

function selectsTheSame(
  { selection: running }: UnloadRequest,
  { selection: requested }: UnloadRequest,
): boolean {
  return (
    running.keep.every((pattern) => requested.keep.includes(pattern)) &&
    running.idleForMs === requested.idleForMs &&
    isDeepStrictEqual([running.models, running.target], [requested.models, requested.target])
  );
}

function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
