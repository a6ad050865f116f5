import { isRunning } from './feed.ts';
import type { Change, Lifecycle } from './router-state.ts';
import {
  type Draft,
  end,
  enterStatus,
  hasLoaded,
  isStart,
  isStarting,
  type LifecycleRules,
  leaveMemory,
  type Moment,
  settle,
} from './status-change.ts';
import type { Observation } from './unload-reason.ts';

/** The lifecycle after an observation, and the changes it implies. */
export interface Step {
  lifecycle: Lifecycle;
  changes: Change[];
}

/** After this time, an end of the model is not attributed to a pending unload request any more. */
const UNLOAD_REQUEST_MS = 10 * 60_000;

/**
 * Advances a lifecycle by one observation. Pure. `lifecycle` is undefined at the first one, which counts nothing: the
 * model was there before the exporter; `earlier` is then its last unload, if an earlier process or listing knew of one.
 */
export function advance(
  lifecycle: Lifecycle | undefined,
  observation: Observation,
  at: number,
  rules: LifecycleRules,
  earlier?: Lifecycle['lastUnload'],
): Step {
  if (lifecycle === undefined) return appear(observation, at, earlier);
  const draft = draftOf(lifecycle);
  const moment = { observation, at, rules };
  // A pending reason stays pending while the model stays unloaded: another model may still start in its place.
  if (isRunning(observation.status)) settle(draft, false);
  dropOldRequest(draft, at);
  const changesStatus = lifecycle.status !== observation.status;
  if (changesStatus) draft.changes.push({ kind: 'status', from: lifecycle.status, to: observation.status });
  const before = draft.changes.length;
  if (isOtherProcess(draft.lifecycle, observation)) endUnobserved(draft, moment);
  if (changesStatus || draft.changes.length > before) draft.lifecycle.since = at;
  enterStatus(draft, moment);
  record(draft, observation);
  return draft;
}

/** Marks an unload request as pending: the end of the model is then `requested`, even if the process is killed. */
export function requestUnload(lifecycle: Lifecycle, at: number): Lifecycle {
  return { ...lifecycle, unloadRequestedAt: at };
}

/** Cancels a pending unload request that the router refused; an earlier request, made at `before`, stays pending. */
export function cancelUnloadRequest(lifecycle: Lifecycle, before?: number): Lifecycle {
  const isPending = lifecycle.unloadRequestedAt !== undefined;
  return { ...lifecycle, unloadRequestedAt: isPending ? before : undefined };
}

/** Decides a pending unload reason. Changes nothing where none is pending. */
export function settleReason(lifecycle: Lifecycle, evicted: boolean): Step {
  const draft = draftOf(lifecycle);
  settle(draft, evicted);
  return draft;
}

/** The model is not listed any more, so its process is gone too. */
export function vanish(lifecycle: Lifecycle, at: number): Step {
  const draft = draftOf(lifecycle);
  settle(draft, false);
  end(draft, { reason: 'external', at, killed: false });
  draft.changes.push({ kind: 'vanished' });
  return draft;
}

function draftOf(lifecycle: Lifecycle): Draft {
  return { lifecycle: { ...lifecycle }, changes: [] };
}

function appear(observation: Observation, at: number, earlier: Lifecycle['lastUnload']): Step {
  const begins = isStart(observation);
  const startedAt = begins ? at : undefined;
  const draft = draftOf({
    status: 'other',
    since: startedAt,
    loading:
      observation.status === 'loading'
        ? { kind: hasLoaded(observation) ? 'wake' : 'load', startedAt }
        : undefined,
    loadFailed: observation.via === 'listing' && observation.failed === true,
    markedFailed: false,
    lastUnload: begins || !isRunning(observation.status) ? earlier : undefined,
    // All of them, so that the lifecycles of all models have one hidden class.
    known: undefined,
    instance: undefined,
    unloadRequestedAt: undefined,
    pendingReason: undefined,
    unloadingFrom: undefined,
  });
  record(draft, observation);
  draft.changes.push({ kind: 'appeared' });
  return draft;
}

/** Takes over what is no change in itself: the status, the process, the failure mark, the progress. */
function record({ lifecycle }: Draft, observation: Observation): void {
  const { status } = observation;
  const before = lifecycle.known;
  lifecycle.status = status;
  if (status !== 'other') lifecycle.known = status;
  if (status !== 'loading' && status !== 'other') lifecycle.loading = undefined;
  if (status !== 'unloading' && status !== 'other') lifecycle.unloadingFrom = undefined;
  if (observation.via === 'listing') {
    lifecycle.instance = observation.instance;
    lifecycle.markedFailed = observation.failed === true;
    return;
  }
  const { begins, exitCode = 0, progress, process } = observation;
  if (lifecycle.loading && progress !== undefined) lifecycle.loading = { ...lifecycle.loading, progress };
  // An event does not name the process: the next listing does.
  const isNamed = !begins && isRunning(before) && process === undefined;
  if (isRunning(status) && !isNamed) lifecycle.instance = undefined;
  lifecycle.markedFailed = status === 'unloaded' && exitCode !== 0;
}

/** Whether the observation is of another process than the last one, so that an end was not observed. */
function isOtherProcess(lifecycle: Lifecycle, observation: Observation): boolean {
  const { known, instance, loading } = lifecycle;
  if (observation.via === 'event') {
    const isOther = isStart(observation) || observation.process === 'other';
    return isOther && isRunning(known) && !isStarting(lifecycle);
  }
  if (observation.instance && instance !== undefined) {
    return observation.instance !== instance && known !== undefined;
  }
  const hadLoaded = known === 'loaded' || known === 'sleeping' || loading?.kind === 'wake';
  if (observation.status === 'loading' && observation.hasLoaded === false && hadLoaded) return true;
  // Without ports to compare, only a new failure mark on an unloaded model shows that it was started.
  return observation.failed === true && !lifecycle.markedFailed && known === 'unloaded';
}

/** What must have happened between two observations if the second is of another process. */
function endUnobserved(draft: Draft, moment: Moment): void {
  const { lifecycle } = draft;
  const { status } = moment.observation;
  const hasEnded = !isRunning(status) && status !== 'other';
  // If both ended, a pending request was one for the other process rather than for a load.
  if (!hasEnded || !isStarting(lifecycle)) end(draft, { reason: 'unknown', at: moment.at, killed: false });
  if (hasEnded) {
    // A whole load was not observed.
    lifecycle.known = 'loading';
    lifecycle.loading = { kind: 'load' };
    leaveMemory(draft, moment);
  }
  lifecycle.known = 'unloaded';
  lifecycle.loading = undefined;
}

function dropOldRequest({ lifecycle }: Draft, at: number): void {
  const { unloadRequestedAt: requestedAt } = lifecycle;
  const isOld = requestedAt !== undefined && at - requestedAt > UNLOAD_REQUEST_MS;
  if (isOld) lifecycle.unloadRequestedAt = undefined;
}
