import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { type ModelState, matchesModel } from '../models/router-state.ts';
import type { Measure } from './measure.ts';
import { planUnload } from './plan.ts';
import type { ModelResult, Operation, PendingModel, RouterResult } from './report.ts';
import { includesRequest, isAutomatic, type UnloadRequest } from './request.ts';

/** Called with each model's result as soon as it is known, and with what is waited for before that. */
export type OnProgress = (router: string, entry: RouterResult['models'][number]) => void;

/** The part of an operation on one router. */
export interface RouterRun {
  control: RouterControl;
  /** A part of the report. */
  result: RouterResult;
  onProgress?: OnProgress | undefined;
  /** Aborted when nothing is waited for here any more; its reason says why. */
  stopWaiting: AbortController;
}

/** An operation that was started or joined. */
export interface Started {
  id: string;
  /** The request joined a running operation that already does all it asks for. */
  joined: boolean;
  /** The report at this moment. */
  report(): Operation;
  /** Resolves with the finished operation; never rejects. */
  done: Promise<Operation>;
}

/** Calls to the starter of an unload while it runs. */
export interface Hooks {
  onProgress?: OnProgress;
  /** Called, and awaited, before each attempt to unload a model; the model may be busy. */
  beforeOrder?: (control: RouterControl, model: string) => Promise<void>;
}

/** A request as it applies to one router: with the keep list that is configured for it. */
interface RouterRequest {
  control: RouterControl;
  request: UnloadRequest;
}

/** What the runs of all unloads share. */
export interface RunContext {
  clock: Clock;
  measure: Measure;
  /** Aborted when ordered unloads are no longer watched; its reason says why. */
  stopWatching: AbortSignal;
}

/** The part of an unload on one router. */
export interface UnloadRun extends RouterRequest, RouterRun, RunContext {
  /** The models from which those to unload were first chosen: of a listing made after the request. Absent before. */
  listed?: readonly ModelState[];
  /** A request has joined since the last listing. */
  joined: boolean;
  /** Ends the wait for models under way, so that a request that has joined is planned for. */
  wake(): void;
  /** Nothing more is unloaded here, unless a request joins. */
  ended: boolean;
  beforeOrder?: Hooks['beforeOrder'] | undefined;
  /** Why nothing more is unloaded, once the unload is cancelled. */
  cancelled?: string | undefined;
}

/** An unload that is running. */
export interface RunningUnload {
  request: UnloadRequest;
  runs: readonly UnloadRun[];
  started: Started;
  /** What has not ended on its routers. */
  work: Set<Promise<void>>;
}

export function createRuns(
  routers: readonly RouterRequest[],
  context: RunContext,
  hooks: Hooks = {},
): UnloadRun[] {
  return routers.map(({ control, request }) => ({
    ...context,
    control,
    request,
    result: { router: control.state.name, models: [] },
    joined: false,
    wake: () => {},
    ended: false,
    stopWaiting: new AbortController(),
    onProgress: hooks.onProgress,
    beforeOrder: hooks.beforeOrder,
  }));
}

/** Adds models whose result is not known yet. */
export function addPending({ result }: RouterRun, models: readonly string[]): void {
  for (const model of models) result.models.push({ model, result: null });
}

/** Reports a result, or what the operation is waiting for before it acts on a model. */
export function settle({ result, onProgress }: RouterRun, entry: ModelResult | PendingModel): void {
  const { router, models } = result;
  const place = models.findIndex((each) => each.model === entry.model && each.result === null);
  const isNews = models[place]?.result !== entry.result || models[place]?.detail !== entry.detail;
  if (place >= 0) models[place] = entry;
  else models.push(entry);
  if (isNews) onProgress?.(router, entry);
}

/**
 * A pattern that matches no model on any router is most likely misspelt, so it is a failure. Automatic requests are
 * exempt: their models may come and go.
 */
export function reportUnmatched({ trigger, selection }: UnloadRequest, runs: readonly UnloadRun[]): void {
  const first = runs.find(({ listed }) => listed);
  if (first === undefined || isAutomatic(trigger)) return;
  for (const model of selection.models.filter((pattern) => !isMatched(runs, 'models', pattern))) {
    settle(first, { model, result: 'failed', detail: 'no model has this name' });
  }
}

/** Keep patterns that match no model on any router they apply to: most likely misspelt, or of a model that is gone. */
export function unmatchedKeep(runs: readonly UnloadRun[]): string[] {
  const patterns = runs.flatMap(({ request, listed }) => (listed ? request.selection.keep : []));
  return [...new Set(patterns)].filter((pattern) => !isMatched(runs, 'keep', pattern));
}

/** Whether one of the runs has this pattern and a model that it matches. */
function isMatched(runs: readonly UnloadRun[], of: 'models' | 'keep', pattern: string): boolean {
  return runs.some(
    ({ request, listed = [] }) =>
      request.selection[of].includes(pattern) && listed.some((model) => matchesModel([pattern], model)),
  );
}

/**
 * Whether the running unload does all that is requested, once the request has joined it: each of its routers is then
 * listed again, and what has appeared is planned for. Models whose result is known already need another unload.
 */
export function subsumes(running: RunningUnload, requested: readonly RouterRequest[], now: number): boolean {
  // The models that are unloaded for a hold come back after it.
  if (running.request.dryRun || running.request.hold !== undefined || requested.length === 0) return false;
  return requested.every(({ control: { state }, request }) => {
    if (request.hold !== undefined) return false;
    const run = running.runs.find(({ control }) => control.state.name === state.name);
    if (run === undefined || run.stopWaiting.signal.aborted) return false;
    if (!includesRequest(run.request, request, run.listed !== undefined)) return false;
    const { unload } = planUnload([...state.models.values()], request.selection, now);
    if (run.result.refused) return isAutomatic(request.trigger) && unload.length === 0;
    const pending = run.result.models.flatMap(({ model, result }) => (result === null ? [model] : []));
    return !run.listed || unload.every((model) => pending.includes(model));
  });
}
