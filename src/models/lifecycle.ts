import { isRunning, type ListedModel, type Status, type StatusEvent } from './feed.ts';
import type { Change, Lifecycle, UnloadReason } from './router-state.ts';

/** One observation of a model: an event of the stream, or its row in a listing. */
export type Observation = { status: Status } & (
  | ({
      via: 'event';
      /** All `--models-max` places were taken, so an unload may be an eviction. */
      full?: boolean;
    } & Partial<Pick<StatusEvent, 'begins' | 'exitCode' | 'progress'>>)
  | ({
      via: 'listing';
      /** Whether models that were unloaded since the last listing were evicted. Default: impossible. */
      eviction?: Eviction;
      /** The router kills every process that it unloads. */
      killsAtOnce?: boolean;
    } & Partial<Pick<ListedModel, 'failed' | 'exitCode' | 'instance' | 'hasLoaded'>>)
);

/**
 * What two listings tell about evictions between them. `likely`: as many models were unloaded as had to leave for those that
 * were started. `possible`: more were unloaded, so some left for another reason.
 */
export type Eviction = 'impossible' | 'possible' | 'likely';

/** The lifecycle after an observation, and the changes it implies. */
export interface Step {
  lifecycle: Lifecycle;
  changes: Change[];
}

export interface LifecycleRules {
  /** A load this soon after an unload is a reload. */
  reloadWindowMs: number;
}

/** An observation with its time and the rules to judge it by. */
interface Moment {
  observation: Observation;
  at: number;
  rules: LifecycleRules;
}

/** After this time, an end of the model is not attributed to a pending unload request any more. */
const UNLOAD_REQUEST_MS = 10 * 60_000;

/**
 * Advances a lifecycle by one observation. `lifecycle` is undefined at the first one, which counts nothing: the model
 * was there before the exporter; `earlier` is then its last unload, if an earlier process or listing knew of one.
 */
export function advance(
  lifecycle: Lifecycle | undefined,
  observation: Observation,
  at: number,
  rules: LifecycleRules,
  earlier?: Lifecycle['lastUnload'],
): Step {
  if (lifecycle === undefined) return appear(observation, at, earlier);
  // A pending reason stays pending while the model stays unloaded: another model may still start in its place.
  const settled = isRunning(observation.status) ? settleReason(lifecycle, false) : unchanged(lifecycle);
  const current = dropOldRequest(settled.lifecycle, at);
  const moment = { observation, at, rules };
  const ended = isOtherProcess(current, observation) ? endUnobserved(current, moment) : unchanged(current);
  const entered = enterStatus(ended.lifecycle, moment);
  const changesStatus = lifecycle.status !== observation.status;
  const since = changesStatus || ended.changes.length > 0 ? at : entered.lifecycle.since;
  return {
    lifecycle: record({ ...entered.lifecycle, since }, observation),
    changes: [
      ...settled.changes,
      ...(changesStatus ? [{ kind: 'status', from: lifecycle.status, to: observation.status } as const] : []),
      ...ended.changes,
      ...entered.changes,
    ],
  };
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
  const { pendingReason } = lifecycle;
  if (pendingReason === undefined) return unchanged(lifecycle);
  const { at, from, killed } = pendingReason;
  const reason = evicted ? 'evicted' : reasonOf(killed);
  return unload({ ...lifecycle, pendingReason: undefined }, { reason, from, at, killed });
}

/** The model is not listed any more, so its process is gone too. */
export function vanish(lifecycle: Lifecycle, at: number): Step {
  const settled = settleReason(lifecycle, false);
  const ended = chain(settled, end(settled.lifecycle, { reason: 'external', at, killed: false }));
  return { lifecycle: ended.lifecycle, changes: [...ended.changes, { kind: 'vanished' }] };
}

function appear(observation: Observation, at: number, earlier: Lifecycle['lastUnload']): Step {
  const begins = isStart(observation);
  const lifecycle: Lifecycle = {
    status: 'other',
    since: begins ? at : undefined,
    loading:
      observation.status === 'loading'
        ? { kind: hasLoaded(observation) ? 'wake' : 'load', startedAt: begins ? at : undefined }
        : undefined,
    loadFailed: observation.via === 'listing' && observation.failed === true,
    markedFailed: false,
    lastUnload: begins || !isRunning(observation.status) ? earlier : undefined,
  };
  return { lifecycle: record(lifecycle, observation), changes: [{ kind: 'appeared' }] };
}

/** A process was started, so the model was unloaded a moment ago even if that was not observed. */
function isStart(observation: Observation): boolean {
  return observation.via === 'event' && observation.begins === true;
}

/** A process that has loaded its model and is loading again wakes up. */
function hasLoaded(observation: Observation): boolean {
  return observation.via === 'listing' && observation.hasLoaded === true;
}

/** Takes over what is no change in itself: the status, the process, the failure mark, the progress. */
function record(lifecycle: Lifecycle, observation: Observation): Lifecycle {
  const { status } = observation;
  const next = {
    ...lifecycle,
    status,
    known: status === 'other' ? lifecycle.known : status,
    loading: status === 'loading' || status === 'other' ? lifecycle.loading : undefined,
  };
  if (observation.via === 'listing') {
    return { ...next, instance: observation.instance, markedFailed: observation.failed === true };
  }
  const { begins, exitCode = 0, progress } = observation;
  // An event of a start does not name the process: the next listing does.
  const starts = isRunning(status) && (begins || !isRunning(lifecycle.known));
  return {
    ...next,
    loading: next.loading && progress !== undefined ? { ...next.loading, progress } : next.loading,
    instance: starts ? undefined : lifecycle.instance,
    markedFailed: status === 'unloaded' && exitCode !== 0,
  };
}

/** Whether the observation is of another process than the last one, so that an end was not observed. */
function isOtherProcess(lifecycle: Lifecycle, observation: Observation): boolean {
  const { known, instance } = lifecycle;
  if (observation.via === 'event') return isStart(observation) && isRunning(known) && !isStarting(lifecycle);
  if (observation.instance && instance !== undefined) {
    return observation.instance !== instance && known !== undefined;
  }
  // Without ports to compare, only a new failure mark on an unloaded model shows that it was started.
  return observation.failed === true && !lifecycle.markedFailed && known === 'unloaded';
}

/** What must have happened between two observations if the second is of another process. */
function endUnobserved(lifecycle: Lifecycle, moment: Moment): Step {
  const { status } = moment.observation;
  const ended = end(lifecycle, { reason: 'unknown', at: moment.at, killed: false });
  const isRunningAgain = isRunning(status) || status === 'other';
  // Otherwise the other process ended as well: a whole load was not observed.
  const loading = { ...ended.lifecycle, known: 'loading', loading: { kind: 'load' } } as const;
  const last = isRunningAgain ? ended : chain(ended, leaveMemory(loading, moment));
  return { ...last, lifecycle: { ...last.lifecycle, loading: undefined, known: 'unloaded' } };
}

function enterStatus(lifecycle: Lifecycle, moment: Moment): Step {
  switch (moment.observation.status) {
    case 'loading':
      return startLoading(lifecycle, moment);
    case 'loaded':
      return becomeLoaded(lifecycle, moment);
    case 'sleeping':
      return fallAsleep(lifecycle, moment);
    case 'unloaded':
    case 'downloading':
      return leaveMemory(lifecycle, moment);
    case 'other':
      return unchanged(lifecycle);
  }
}

function startLoading(lifecycle: Lifecycle, moment: Moment): Step {
  const { observation, at } = moment;
  const { known, loading } = lifecycle;
  if (hasLoaded(observation) && known !== 'sleeping' && loading?.kind !== 'wake') {
    // Its load and its sleep were not observed.
    const asleep = fallAsleep(lifecycle, moment);
    return { ...asleep, lifecycle: { ...asleep.lifecycle, loading: { kind: 'wake', startedAt: at } } };
  }
  if (known === 'loading') {
    if (!isStart(observation)) return unchanged(lifecycle);
    const startedAt = loading?.startedAt ?? at;
    return unchanged({ ...lifecycle, loading: { ...loading, kind: 'load', startedAt } });
  }
  const wakes = known === 'loaded' || known === 'sleeping';
  const next: Lifecycle = { ...lifecycle, loading: { kind: wakes ? 'wake' : 'load', startedAt: at } };
  // A loaded model that loads wakes up: that it fell asleep was not observed.
  return known === 'loaded' ? { lifecycle: next, changes: [{ kind: 'slept' }] } : unchanged(next);
}

/** It is loaded now: after a load or a wake, or as before. */
function becomeLoaded(lifecycle: Lifecycle, { at, rules }: Moment): Step {
  const { known, loading, lastUnload } = lifecycle;
  if (known === undefined || known === 'loaded') return unchanged(lifecycle);
  if (known === 'sleeping' || loading?.kind === 'wake') return { lifecycle, changes: [{ kind: 'woke' }] };
  const startedAt = known === 'loading' ? loading?.startedAt : undefined;
  const isReload = lastUnload !== undefined && at - lastUnload.at <= rules.reloadWindowMs;
  const loaded: Change = {
    kind: 'loaded',
    durationSeconds: startedAt === undefined ? undefined : (at - startedAt) / 1000,
    reload: isReload ? { reason: lastUnload.reason, afterSeconds: (at - lastUnload.at) / 1000 } : undefined,
  };
  return { lifecycle: { ...lifecycle, lastUnload: undefined, loadFailed: false }, changes: [loaded] };
}

function fallAsleep(lifecycle: Lifecycle, moment: Moment): Step {
  if (lifecycle.known === undefined || lifecycle.known === 'sleeping') return unchanged(lifecycle);
  // When a load ended is unknown if the model was asleep before it was observed loaded.
  const untimed = isStarting(lifecycle) ? { ...lifecycle, loading: undefined } : lifecycle;
  const loaded = becomeLoaded(untimed, moment);
  return { lifecycle: loaded.lifecycle, changes: [...loaded.changes, { kind: 'slept' }] };
}

/** It has no process any more: an unload and its reason, or a failed load. */
function leaveMemory(lifecycle: Lifecycle, moment: Moment): Step {
  const { observation, at } = moment;
  const from = lifecycle.known;
  if (!isRunning(from)) return unchanged(lifecycle);
  const exit = exitOf(observation);
  if (isStarting(lifecycle) && exit === 'clean') {
    // Only a loaded model exits cleanly: that it was loaded was not observed.
    const loaded = becomeLoaded({ ...lifecycle, known: 'unloaded' }, moment);
    return chain(loaded, leaveMemory({ ...loaded.lifecycle, known: 'loaded' }, moment));
  }
  const killed = exit === 'killed';
  const isRequested = lifecycle.unloadRequestedAt !== undefined;
  if (isRequested || (isStarting(lifecycle) && exit === 'unknown')) {
    return end(lifecycle, { reason: 'unknown', at, killed });
  }
  if (isStarting(lifecycle)) return failLoad(lifecycle, observation.exitCode);
  if (exit === 'failed') return unload(lifecycle, { reason: 'crashed', from, at, killed });
  if (observation.via === 'listing') {
    return unload(lifecycle, { reason: listedReason(killed, observation), from, at, killed });
  }
  return observation.full
    ? unchanged({ ...lifecycle, pendingReason: { at, from, killed } })
    : unload(lifecycle, { reason: reasonOf(killed), from, at, killed });
}

/** The reason of an observed end that was neither requested nor an eviction. */
function reasonOf(killed: boolean): UnloadReason {
  return killed ? 'crashed' : 'external';
}

/** The reason of an unload between two listings. A process that the router killed exits like one that crashed. */
function listedReason(
  killed: boolean,
  { eviction = 'impossible', killsAtOnce }: Observation & { via: 'listing' },
): UnloadReason {
  if (killed && killsAtOnce) return eviction === 'likely' ? 'evicted' : 'unknown';
  if (killed) return eviction === 'impossible' ? 'crashed' : 'unknown';
  return ({ impossible: 'external', possible: 'unknown', likely: 'evicted' } as const)[eviction];
}

/** Its end was requested, or not observed itself. A load that ended so counts neither as loaded nor as failed. */
function end(lifecycle: Lifecycle, { reason, at, killed }: Omit<Unload, 'from'>): Step {
  const { known: from, unloadRequestedAt } = lifecycle;
  if (!isRunning(from)) return unchanged(lifecycle);
  if (unloadRequestedAt !== undefined) {
    return unload(lifecycle, { reason: 'requested', from, at, killed: killed && !isStarting(lifecycle) });
  }
  return isStarting(lifecycle) ? unchanged(lifecycle) : unload(lifecycle, { reason, from, at, killed });
}

/**
 * How the process exited. Code 1 is that of a process that a signal killed, the router's or another's; with any other, it
 * failed by itself. A listing shows only bad exits; without one, a known port shows that the exit was clean. Port 0 is that
 * of a model that the router never started: its exit was not listed, even if some builds list a code.
 */
function exitOf(observation: Observation): 'clean' | 'killed' | 'failed' | 'unknown' {
  const { exitCode } = observation;
  if (observation.via === 'listing' && (!observation.failed || observation.instance === 0)) {
    return observation.instance ? 'clean' : 'unknown';
  }
  if (observation.via === 'event' && !exitCode) return exitCode === 0 ? 'clean' : 'unknown';
  return exitCode === undefined || exitCode === 1 ? 'killed' : 'failed';
}

/** A new process is loading the model; waking up does not count. */
function isStarting(lifecycle: Lifecycle): boolean {
  return lifecycle.known === 'loading' && lifecycle.loading?.kind === 'load';
}

interface Unload {
  reason: UnloadReason;
  from: Status;
  at: number;
  killed: boolean;
}

function unload(lifecycle: Lifecycle, { reason, from, at, killed }: Unload): Step {
  const isRequestedWhileLoading = from === 'loading' && reason === 'requested';
  const forced = killed && (reason === 'requested' || reason === 'evicted') ? true : undefined;
  return {
    lifecycle: {
      ...lifecycle,
      unloadRequestedAt: undefined,
      loadFailed: lifecycle.loadFailed && !isRequestedWhileLoading,
      lastUnload: { at, reason, forced },
    },
    changes: [{ kind: 'unloaded', reason, from, forced }],
  };
}

function failLoad(lifecycle: Lifecycle, exitCode: number | undefined): Step {
  return { lifecycle: { ...lifecycle, loadFailed: true }, changes: [{ kind: 'load_failed', exitCode }] };
}

function dropOldRequest(lifecycle: Lifecycle, at: number): Lifecycle {
  const { unloadRequestedAt: requestedAt } = lifecycle;
  const isOld = requestedAt !== undefined && at - requestedAt > UNLOAD_REQUEST_MS;
  return isOld ? { ...lifecycle, unloadRequestedAt: undefined } : lifecycle;
}

function unchanged(lifecycle: Lifecycle): Step {
  return { lifecycle, changes: [] };
}

function chain(first: Step, second: Step): Step {
  return { lifecycle: second.lifecycle, changes: [...first.changes, ...second.changes] };
}
