import type { Change, Lifecycle, LifecycleRules, Observation, Step } from './lifecycle-state.ts';
import { isRunning, type Status, type UnloadReason } from './status.ts';

/** How long an unload that we asked for may take before its end is no longer put down to us. */
const ASK_REMEMBERED_MS = 10 * 60_000;

/**
 * One step of a model's life: what we believed, what was seen, what we believe now and what therefore
 * happened. `life` is undefined at first sight, which counts nothing: the model was there before us; then
 * `earlier` is its last unload, if one is remembered.
 */
export function see(
  lifecycle: Lifecycle | undefined,
  observation: Observation,
  at: number,
  rules: LifecycleRules,
  earlier?: Lifecycle['lastUnload'],
): Step {
  if (lifecycle === undefined) return meet(observation, at, earlier);
  // A look at a model that is still gone decides nothing: the eviction may yet show itself.
  const decided = isRunning(observation.status) ? settle(lifecycle, false) : still(lifecycle);
  const awake = forgetOldAsk(decided.lifecycle, at);
  const ended = startsAnotherProcess(awake, observation)
    ? endUnseen(awake, observation, at, rules)
    : still(awake);
  const moved = move(ended.lifecycle, observation, at, rules);
  const turned: Change[] =
    lifecycle.status === observation.status
      ? []
      : [{ kind: 'status', from: lifecycle.status, to: observation.status }];
  const entered = turned.length > 0 || ended.changes.length > 0;
  return {
    lifecycle: remember({ ...moved.lifecycle, ...(entered && { since: at }) }, observation),
    changes: [...decided.changes, ...turned, ...ended.changes, ...moved.changes],
  };
}

/** We ask for an unload: its end will be put down to us, also when it takes a forced kill. */
export function ask(lifecycle: Lifecycle, at: number): Lifecycle {
  return { ...lifecycle, unloadRequestedAt: at };
}

/** The router would not unload it: what happens next is not our doing, unless we had asked `before` as well. */
export function cancelUnloadRequest(lifecycle: Lifecycle, before?: number): Lifecycle {
  const { unloadRequestedAt, ...rest } = lifecycle;
  return unloadRequestedAt === undefined || before === undefined
    ? rest
    : { ...rest, unloadRequestedAt: before };
}

/** Says what an pendingReason unload was. Nothing happens where none is pendingReason. */
export function settle(lifecycle: Lifecycle, evicted: boolean): Step {
  const { pendingReason, ...rest } = lifecycle;
  if (pendingReason === undefined) return still(lifecycle);
  return unload(rest, evicted ? 'evicted' : 'external', pendingReason.from, pendingReason.at);
}

/** No longer listed: what was in memory is not any more. */
export function vanish(lifecycle: Lifecycle, at: number): Step {
  const decided = settle(lifecycle, false);
  const ended = disappear(decided.lifecycle, at);
  return {
    lifecycle: ended.lifecycle,
    changes: [...decided.changes, ...ended.changes, { kind: 'vanished' }],
  };
}

function meet(observation: Observation, at: number, earlier: Lifecycle['lastUnload']): Step {
  const lifecycle: Lifecycle = { status: 'other', loadFailed: false, markedFailed: false };
  if (observation.via === 'listing') lifecycle.loadFailed = observation.failed === true;
  if (observation.status === 'loading') lifecycle.loading = { kind: 'load' };
  if (isBeginning(observation)) {
    lifecycle.loading = { kind: 'load', startedAt: at };
    lifecycle.since = at;
  }
  const wasAtRest = isBeginning(observation) || !isRunning(observation.status);
  if (earlier && wasAtRest) lifecycle.lastUnload = { at: earlier.at, reason: earlier.reason };
  return { lifecycle: remember(lifecycle, observation), changes: [{ kind: 'appeared' }] };
}

/** An event tells of a start: the model was unloaded a moment ago, even if we never saw it so. */
function isBeginning(observation: Observation): boolean {
  return observation.via === 'event' && observation.begins === true;
}

/** Takes over what is not a deed: the status itself, the process, the router's mark, the progress. */
function remember(lifecycle: Lifecycle, observation: Observation): Lifecycle {
  const { instance: _, loading, ...rest } = lifecycle;
  const next: Lifecycle = { ...rest, status: observation.status };
  if (observation.status !== 'other') next.known = observation.status;
  if (observation.via === 'listing') {
    if (observation.instance !== undefined) next.instance = observation.instance;
    next.markedFailed = observation.failed === true;
  } else {
    // An event of a start does not tell which process: the next listing will.
    const starts = isRunning(observation.status) && (observation.begins || !isRunning(lifecycle.known));
    if (!starts && lifecycle.instance !== undefined) next.instance = lifecycle.instance;
    next.markedFailed = observation.status === 'unloaded' && (observation.exitCode ?? 0) !== 0;
  }
  if (loading && (observation.status === 'loading' || observation.status === 'other')) {
    const progress = observation.via === 'event' ? observation.progress : undefined;
    next.loading = progress === undefined ? loading : { ...loading, progress };
  }
  return next;
}

/** Whether this sighting is of another process than the one we believed in, so that an end went unseen. */
function startsAnotherProcess(lifecycle: Lifecycle, observation: Observation): boolean {
  if (observation.via === 'event') {
    return observation.begins === true && isRunning(lifecycle.known) && !isComingUp(lifecycle);
  }
  if (!observation.instance || lifecycle.instance === undefined) {
    // Without processes to compare, only a new mark of failure on a model at rest tells of an attempt.
    return observation.failed === true && !lifecycle.markedFailed && lifecycle.known === 'unloaded';
  }
  return observation.instance !== lifecycle.instance && lifecycle.known !== undefined;
}

/** What must have happened between two sightings for the second to be of another process. */
function endUnseen(lifecycle: Lifecycle, observation: Observation, at: number, rules: LifecycleRules): Step {
  const ended = disappear(lifecycle, at);
  const { loading: _, ...gone } = ended.lifecycle;
  const rested: Step = { ...ended, lifecycle: { ...gone, known: 'unloaded' } };
  if (isRunning(observation.status) || observation.status === 'other') return rested;
  // It is at rest again: a whole load came and went unseen.
  if (observation.via === 'listing' && observation.failed) return after(rested, failLoad(rested.lifecycle));
  const loaded = after(rested, arrive(rested.lifecycle, at, rules));
  const left = after(loaded, leave({ ...loaded.lifecycle, known: 'loaded' }, observation, at, rules));
  return { ...left, lifecycle: { ...left.lifecycle, known: 'unloaded' } };
}

function move(lifecycle: Lifecycle, observation: Observation, at: number, rules: LifecycleRules): Step {
  switch (observation.status) {
    case 'loading':
      return begin(lifecycle, isBeginning(observation), at);
    case 'loaded':
      return arrive(lifecycle, at, rules);
    case 'sleeping':
      return fallAsleep(lifecycle, at, rules);
    case 'unloaded':
    case 'downloading':
      return leave(lifecycle, observation, at, rules);
    case 'other':
      return still(lifecycle);
  }
}

function begin(lifecycle: Lifecycle, begins: boolean, at: number): Step {
  switch (lifecycle.known) {
    case 'loading':
      return still(
        begins ? { ...lifecycle, loading: { startedAt: at, ...lifecycle.loading, kind: 'load' } } : lifecycle,
      );
    case 'loaded': // It slept and wakes, and nobody told us that it slept.
      return {
        lifecycle: { ...lifecycle, loading: { kind: 'wake', startedAt: at } },
        changes: [{ kind: 'slept' }],
      };
    case 'sleeping':
      return still({ ...lifecycle, loading: { kind: 'wake', startedAt: at } });
    default:
      return still({ ...lifecycle, loading: { kind: 'load', startedAt: at } });
  }
}

/** It is loaded: by a load, by a wake, or it was so already. */
function arrive(lifecycle: Lifecycle, at: number, rules: LifecycleRules): Step {
  if (lifecycle.known === undefined || lifecycle.known === 'loaded') return still(lifecycle);
  if (lifecycle.known === 'sleeping' || lifecycle.loading?.kind === 'wake')
    return { lifecycle, changes: [{ kind: 'woke' }] };
  const { lastUnload, ...rest } = lifecycle;
  const startedAt = lifecycle.known === 'loading' ? lifecycle.loading?.startedAt : undefined;
  const reloaded = lastUnload !== undefined && at - lastUnload.at <= rules.reloadWindowMs;
  const loaded: Change = {
    kind: 'loaded',
    ...(startedAt !== undefined && { durationSeconds: secondsBetween(startedAt, at) }),
    ...(reloaded && {
      reload: { reason: lastUnload.reason, afterSeconds: secondsBetween(lastUnload.at, at) },
    }),
  };
  return { lifecycle: { ...rest, loadFailed: false }, changes: [loaded] };
}

function fallAsleep(lifecycle: Lifecycle, at: number, rules: LifecycleRules): Step {
  if (lifecycle.known === undefined || lifecycle.known === 'sleeping') return still(lifecycle);
  const loaded = arrive(lifecycle, at, rules);
  return { lifecycle: loaded.lifecycle, changes: [...loaded.changes, { kind: 'slept' }] };
}

/** It has no process any more: an unload and why, or a load that failed. */
function leave(lifecycle: Lifecycle, observation: Observation, at: number, rules: LifecycleRules): Step {
  const from = lifecycle.known;
  if (!isRunning(from)) return still(lifecycle);
  const end = endOf(observation);
  if (isComingUp(lifecycle) && end === 'well') {
    // Only what came up can end well: it was loaded, and nobody told us when.
    const loaded = arrive({ ...lifecycle, known: 'unloaded' }, at, rules);
    return after(loaded, leave({ ...loaded.lifecycle, known: 'loaded' }, observation, at, rules));
  }
  if (lifecycle.unloadRequestedAt !== undefined || (isComingUp(lifecycle) && end === 'untold'))
    return disappear(lifecycle, at);
  if (end === 'badly')
    return isComingUp(lifecycle) ? failLoad(lifecycle) : unload(lifecycle, 'crashed', from, at);
  if (observation.via === 'listing')
    return unload(lifecycle, observation.evicted ? 'evicted' : 'external', from, at);
  return observation.full
    ? still({ ...lifecycle, pendingReason: { at, from } })
    : unload(lifecycle, 'external', from, at);
}

/** It went, and how is not known. A load that ended unseen may have failed or not: it counts as neither. */
function disappear(lifecycle: Lifecycle, at: number): Step {
  if (!isRunning(lifecycle.known)) return still(lifecycle);
  if (lifecycle.unloadRequestedAt !== undefined) return unload(lifecycle, 'requested', lifecycle.known, at);
  return isComingUp(lifecycle) ? still(lifecycle) : unload(lifecycle, 'external', lifecycle.known, at);
}

/** A listing marks only what ended badly, and that its process is the same shows that nothing was forgotten. */
function endOf(observation: Observation): 'well' | 'badly' | 'untold' {
  if (observation.via === 'event') {
    if (observation.exitCode === undefined) return 'untold';
    return observation.exitCode === 0 ? 'well' : 'badly';
  }
  if (observation.failed) return 'badly';
  return observation.instance ? 'well' : 'untold';
}

/** A new process is starting: not yet loaded, and not a sleeper that wakes. */
function isComingUp(lifecycle: Lifecycle): boolean {
  return lifecycle.known === 'loading' && lifecycle.loading?.kind === 'load';
}

function unload(lifecycle: Lifecycle, reason: UnloadReason, from: Status, at: number): Step {
  const { unloadRequestedAt: _, ...rest } = lifecycle;
  const loadFailed = from === 'loading' && reason === 'requested' ? false : lifecycle.loadFailed;
  return {
    lifecycle: { ...rest, loadFailed, lastUnload: { at, reason } },
    changes: [{ kind: 'unloaded', reason, from }],
  };
}

function failLoad(lifecycle: Lifecycle): Step {
  return { lifecycle: { ...lifecycle, loadFailed: true }, changes: [{ kind: 'load_failed' }] };
}

function forgetOldAsk(lifecycle: Lifecycle, at: number): Lifecycle {
  return lifecycle.unloadRequestedAt !== undefined && at - lifecycle.unloadRequestedAt > ASK_REMEMBERED_MS
    ? cancelUnloadRequest(lifecycle)
    : lifecycle;
}

function still(lifecycle: Lifecycle): Step {
  return { lifecycle, changes: [] };
}

function after(first: Step, second: Step): Step {
  return { lifecycle: second.lifecycle, changes: [...first.changes, ...second.changes] };
}

/** Never negative: the wall clock may be set back between two sightings. */
function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
