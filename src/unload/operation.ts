import { randomUUID } from 'node:crypto';
import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { isRunning } from '../models/feed.ts';
import { planUnload } from './plan.ts';
import {
  type ModelResult,
  type Operation,
  outcomeOf,
  type PendingModel,
  type RouterResult,
  summarize,
} from './report.ts';
import { includesRequest, isAutomatic, type UnloadRequest } from './request.ts';

/** Called with each model's result as soon as it is known, and with what is waited for before that. */
export type OnProgress = (router: string, entry: RouterResult['models'][number]) => void;

/** Calls to the starter of an operation while it runs. */
export interface Hooks {
  onProgress?: OnProgress;
  /** Called, and awaited, before each attempt to unload a model; the model may be busy. */
  beforeOrder?: (control: RouterControl, model: string) => Promise<void>;
}

/** A request as it applies to one router: with the keep list that is configured for it. */
export interface RouterRequest {
  control: RouterControl;
  request: UnloadRequest;
}

/** Where results are reported. */
export interface Reported {
  /** A part of the report. */
  result: RouterResult;
  onProgress: OnProgress;
}

/** The part of an operation on one router. */
export interface RouterRun extends RouterRequest, Reported {
  /** Patterns of the request that match no model here, once the models to unload are chosen. */
  unmatched: readonly string[];
  unmatchedKeep: readonly string[];
  /** The models to unload are chosen, from a listing made after the request. */
  planned: boolean;
  /** A request has joined since the last listing. */
  joined: boolean;
  /** Ends the wait for models under way, so that a request that has joined is planned for. */
  wake(): void;
  /** Nothing more is unloaded here, unless a request joins. */
  ended: boolean;
  /** Aborted when busy models are no longer waited for; its reason says why. */
  stopWaiting: AbortController;
  beforeOrder?: Hooks['beforeOrder'] | undefined;
  /** Why nothing more is unloaded, once the operation is cancelled. */
  cancelled?: string | undefined;
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
  hooks: Hooks = {},
): RunningOperation {
  const startedAt = clock.now();
  const runs = routers.map(
    (router): RouterRun => ({
      ...router,
      result: { router: router.control.state.name, models: [] },
      unmatched: [],
      unmatchedKeep: [],
      planned: false,
      joined: false,
      wake: () => {},
      ended: false,
      stopWaiting: new AbortController(),
      onProgress: hooks.onProgress ?? (() => {}),
      beforeOrder: hooks.beforeOrder,
    }),
  );
  return {
    request,
    startedAt,
    runs,
    report: { ...newReport('unload', request, runs, clock.wall(startedAt)), when_busy: request.whenBusy },
  };
}

/** The report of an operation that has just begun, at a wall time. */
export function newReport(
  action: Operation['action'],
  { trigger, caller, reason, dryRun }: Pick<UnloadRequest, 'trigger' | 'caller' | 'reason' | 'dryRun'>,
  runs: readonly Reported[],
  startedAt: number,
): Operation {
  return {
    id: randomUUID(),
    action,
    trigger,
    caller,
    reason,
    outcome: null,
    dry_run: dryRun,
    started_at: new Date(startedAt).toISOString(),
    duration_seconds: 0,
    routers: runs.map(({ result }) => result),
    summary: summarize([]),
    still_in_memory: [],
    unmatched_keep: [],
  };
}

/** What the report of an operation is made of, at any moment. */
export interface ReportSources extends Pick<RunningOperation, 'report' | 'startedAt'> {
  runs: readonly Pick<RouterRun, 'control'>[];
}

/** Adds models whose result is not known yet. */
export function addPending({ result }: Pick<Reported, 'result'>, models: readonly string[]): void {
  for (const model of models) result.models.push({ model, result: null });
}

/** Reports a result, or what the operation is waiting for before it unloads a model. */
export function settle({ result, onProgress }: Reported, entry: ModelResult | PendingModel): void {
  const { router, models } = result;
  const place = models.findIndex((each) => each.model === entry.model && each.result === null);
  const isNews = models[place]?.result !== entry.result || models[place]?.detail !== entry.detail;
  if (place >= 0) models[place] = entry;
  else models.push(entry);
  if (isNews) onProgress(router, entry);
}

/** A copy of the report that does not change any more. */
export function reportOf({ report, startedAt, runs }: ReportSources, now: number): Operation {
  const current = { ...report, summary: summarize(report.routers) };
  if (report.outcome === null) {
    current.duration_seconds = secondsBetween(startedAt, now);
    current.still_in_memory = runs.flatMap(inMemory);
  }
  return structuredClone(current);
}

/** What is in memory now; nothing of a router that is down. */
function inMemory({ control: { state } }: Pick<RouterRun, 'control'>): Operation['still_in_memory'] {
  if (!state.up) return [];
  return [...state.models.values()].flatMap(({ id, lifecycle: { status } }) =>
    isRunning(status) ? [{ router: state.name, model: id, status }] : [],
  );
}

/** Completes the report when all runs have ended. `routers` are the names of all routers that exist. */
export function finishOperation(operation: RunningOperation, routers: readonly string[], now: number): void {
  reportUnmatched(operation);
  operation.report.unmatched_keep = unmatchedKeep(operation.runs);
  finishReport(operation, operation.request, routers, now);
}

/** Completes the report of any operation. */
export function finishReport(
  { report, startedAt, runs }: ReportSources,
  request: Pick<UnloadRequest, 'routers' | 'dryRun'> & Partial<Pick<UnloadRequest, 'whenBusy'>>,
  routers: readonly string[],
  now: number,
): void {
  report.still_in_memory = runs.flatMap(inMemory);
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
  const planned = runs.filter((run) => run.planned);
  const [first] = planned;
  if (first === undefined || isAutomatic(request.trigger)) return;
  for (const pattern of request.selection.models) {
    if (!planned.every(({ unmatched }) => unmatched.includes(pattern))) continue;
    settle(first, { model: pattern, result: 'failed', detail: 'no model has this name' });
  }
}

/** Keep patterns that match no model on any router they apply to: most likely misspelt, or of a model that is gone. */
function unmatchedKeep(runs: readonly RouterRun[]): string[] {
  const planned = runs.filter((run) => run.planned);
  const matched = new Set(
    planned.flatMap(({ request, unmatchedKeep }) =>
      request.selection.keep.filter((pattern) => !unmatchedKeep.includes(pattern)),
    ),
  );
  return [...new Set(planned.flatMap((run) => run.unmatchedKeep))].filter((pattern) => !matched.has(pattern));
}

/**
 * Whether the running operation does all that is requested, once the request has joined it: each of its routers is then
 * listed again, and what has appeared is planned for. Models whose result is known already need another operation.
 */
export function subsumes(
  running: RunningOperation,
  requested: readonly RouterRequest[],
  now: number,
): boolean {
  // The models that are unloaded for a hold come back after it.
  if (running.request.dryRun || running.request.hold !== undefined || requested.length === 0) return false;
  return requested.every(({ control: { state }, request }) => {
    if (request.hold !== undefined) return false;
    const run = running.runs.find(({ control }) => control.state.name === state.name);
    if (run === undefined || run.stopWaiting.signal.aborted) return false;
    if (!includesRequest(run.request, request, run.planned)) return false;
    const { unload } = planUnload([...state.models.values()], request.selection, now);
    if (run.result.refused) return isAutomatic(request.trigger) && unload.length === 0;
    const pending = run.result.models.flatMap(({ model, result }) => (result === null ? [model] : []));
    return !run.planned || unload.every((model) => pending.includes(model));
  });
}

function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
