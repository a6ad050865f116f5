import type { Change, Life, LifecycleRules, Sighting, Step } from './life.ts';
import { isRunning, type Status, type UnloadReason } from './status.ts';

/** How long an unload that we asked for may take before its end is no longer put down to us. */
const ASK_REMEMBERED_MS = 10 * 60_000;

/**
 * One step of a model's life: what we believed, what was seen, what we believe now and what therefore
 * happened. `life` is undefined at first sight, which counts nothing: the model was there before us.
 */
export function see(life: Life | undefined, sighting: Sighting, at: number, rules: LifecycleRules): Step {
  if (life === undefined) return meet(sighting, at);
  // A look at a model that is still gone decides nothing: the eviction may yet show itself.
  const decided = isRunning(sighting.status) ? settle(life, false) : still(life);
  const awake = forgetOldAsk(decided.life, at);
  const ended = startsAnotherProcess(awake, sighting) ? endUnseen(awake, sighting, at, rules) : still(awake);
  const moved = move(ended.life, sighting, at, rules);
  const turned: Change[] =
    life.status === sighting.status ? [] : [{ kind: 'status', from: life.status, to: sighting.status }];
  const entered = turned.length > 0 || ended.changes.length > 0;
  return {
    life: remember({ ...moved.life, ...(entered && { since: at }) }, sighting),
    changes: [...decided.changes, ...turned, ...ended.changes, ...moved.changes],
  };
}

/** We ask for an unload: its end will be put down to us, also when it takes a forced kill. */
export function ask(life: Life, at: number): Life {
  return { ...life, askedAt: at };
}

/** The router would not unload it: what happens next is not our doing. */
export function withdraw(life: Life): Life {
  const { askedAt: _, ...rest } = life;
  return rest;
}

/** Says what an undecided unload was. Nothing happens where none is undecided. */
export function settle(life: Life, evicted: boolean): Step {
  const { undecided, ...rest } = life;
  if (undecided === undefined) return still(life);
  if (evicted) return unload(rest, 'evicted', undecided.from, undecided.at);
  if (undecided.otherwise === 'load_failed') return failLoad(rest);
  return unload(rest, undecided.otherwise, undecided.from, undecided.at);
}

/** No longer listed: what was in memory is not any more. */
export function vanish(life: Life, at: number): Change[] {
  const decided = settle(life, false);
  const end = leave(decided.life, { via: 'listing', status: 'unloaded' }, at);
  return [...decided.changes, ...end.changes, { kind: 'vanished' }];
}

function meet(sighting: Sighting, at: number): Step {
  const blank: Life = { status: 'other', loadFailed: false, markedFailed: false };
  if (isBeginning(sighting)) {
    const begun = begin(blank, true, at).life;
    return { life: remember({ ...begun, since: at }, sighting), changes: [{ kind: 'appeared' }] };
  }
  const life: Life = { ...blank, loadFailed: sighting.via === 'listing' && sighting.failed === true };
  if (sighting.status === 'loading') life.loading = { kind: 'load' };
  return { life: remember(life, sighting), changes: [{ kind: 'appeared' }] };
}

/** An event tells of a start: the model was unloaded a moment ago, even if we never saw it so. */
function isBeginning(sighting: Sighting): boolean {
  return sighting.via === 'event' && sighting.begins === true;
}

/** Takes over what is not a deed: the status itself, the process, the router's mark, the progress. */
function remember(life: Life, sighting: Sighting): Life {
  const { instance: _, loading, ...rest } = life;
  const next: Life = { ...rest, status: sighting.status };
  if (sighting.status !== 'other') next.known = sighting.status;
  if (sighting.via === 'listing') {
    if (sighting.instance !== undefined) next.instance = sighting.instance;
    next.markedFailed = sighting.failed === true;
  } else {
    // An event of a start does not tell which process: the next listing will.
    const starts = isRunning(sighting.status) && (sighting.begins || !isRunning(life.known));
    if (!starts && life.instance !== undefined) next.instance = life.instance;
    next.markedFailed = sighting.status === 'unloaded' && (sighting.exitCode ?? 0) !== 0;
  }
  if (loading && (sighting.status === 'loading' || sighting.status === 'other')) {
    const progress = sighting.via === 'event' ? sighting.progress : undefined;
    next.loading = progress === undefined ? loading : { ...loading, progress };
  }
  return next;
}

/** Whether this sighting is of another process than the one we believed in, so that an end went unseen. */
function startsAnotherProcess(life: Life, sighting: Sighting): boolean {
  if (sighting.via === 'event') {
    const loadingAlready = life.known === 'loading' && life.loading?.kind === 'load';
    return sighting.begins === true && isRunning(life.known) && !loadingAlready;
  }
  if (!sighting.instance || life.instance === undefined) {
    // Without processes to compare, only a new mark of failure on a model at rest tells of an attempt.
    return sighting.failed === true && !life.markedFailed && life.known === 'unloaded';
  }
  return sighting.instance !== life.instance && life.known !== undefined;
}

/** What must have happened between two sightings for the second to be of another process. */
function endUnseen(life: Life, sighting: Sighting, at: number, rules: LifecycleRules): Step {
  const ended = isRunning(life.known) ? leave(life, { via: 'listing', status: 'unloaded' }, at) : still(life);
  const rested = { ...ended, life: { ...ended.life, known: 'unloaded' as const } };
  if (isRunning(sighting.status)) return rested;
  // It is at rest again: a whole load came and went unseen.
  if (sighting.via === 'listing' && sighting.failed) return after(rested, failLoad(rested.life));
  const loaded = after(rested, arrive(rested.life, at, rules));
  return after(loaded, leave({ ...loaded.life, known: 'loaded' }, sighting, at));
}

function move(life: Life, sighting: Sighting, at: number, rules: LifecycleRules): Step {
  switch (sighting.status) {
    case 'loading':
      return begin(life, isBeginning(sighting), at);
    case 'loaded':
      return arrive(life, at, rules);
    case 'sleeping':
      return fallAsleep(life, at, rules);
    case 'unloaded':
    case 'downloading':
      return leave(life, sighting, at);
    case 'other':
      return still(life);
  }
}

function begin(life: Life, begins: boolean, at: number): Step {
  switch (life.known) {
    case 'loading':
      return still(begins ? { ...life, loading: { startedAt: at, ...life.loading, kind: 'load' } } : life);
    case 'loaded': // It slept and wakes, and nobody told us that it slept.
      return { life: { ...life, loading: { kind: 'wake', startedAt: at } }, changes: [{ kind: 'slept' }] };
    case 'sleeping':
      return still({ ...life, loading: { kind: 'wake', startedAt: at } });
    default:
      return still({ ...life, loading: { kind: 'load', startedAt: at } });
  }
}

/** It is loaded: by a load, by a wake, or it was so already. */
function arrive(life: Life, at: number, rules: LifecycleRules): Step {
  if (life.known === undefined || life.known === 'loaded') return still(life);
  if (life.known === 'sleeping' || life.loading?.kind === 'wake')
    return { life, changes: [{ kind: 'woke' }] };
  const { lastUnload, ...rest } = life;
  const startedAt = life.known === 'loading' ? life.loading?.startedAt : undefined;
  const reloaded = lastUnload !== undefined && at - lastUnload.at <= rules.reloadWindowMs;
  const loaded: Change = {
    kind: 'loaded',
    ...(startedAt !== undefined && { durationSeconds: secondsBetween(startedAt, at) }),
    ...(reloaded && {
      reload: { reason: lastUnload.reason, afterSeconds: secondsBetween(lastUnload.at, at) },
    }),
  };
  return { life: { ...rest, loadFailed: false }, changes: [loaded] };
}

function fallAsleep(life: Life, at: number, rules: LifecycleRules): Step {
  if (life.known === undefined || life.known === 'sleeping') return still(life);
  const loaded = arrive(life, at, rules);
  return { life: loaded.life, changes: [...loaded.changes, { kind: 'slept' }] };
}

/** It has no process any more: an unload and why, or a load that failed. */
function leave(life: Life, sighting: Sighting, at: number): Step {
  if (life.known === undefined || !isRunning(life.known)) return still(life);
  const from = life.known;
  if (life.askedAt !== undefined) return unload(life, 'requested', from, at);
  if (sighting.via === 'listing' && sighting.evicted) return unload(life, 'evicted', from, at);
  const badly = sighting.via === 'event' ? (sighting.exitCode ?? 0) !== 0 : sighting.failed === true;
  const duringLoad = from === 'loading' && life.loading?.kind === 'load';
  const otherwise = !badly ? 'external' : duringLoad ? 'load_failed' : 'crashed';
  if (sighting.via === 'event' && sighting.full) {
    return still({ ...life, undecided: { at, from, otherwise } });
  }
  return otherwise === 'load_failed' ? failLoad(life) : unload(life, otherwise, from, at);
}

function unload(life: Life, reason: UnloadReason, from: Status, at: number): Step {
  const { askedAt: _, ...rest } = life;
  const loadFailed = from === 'loading' && reason === 'requested' ? false : life.loadFailed;
  return {
    life: { ...rest, loadFailed, lastUnload: { at, reason } },
    changes: [{ kind: 'unloaded', reason, from }],
  };
}

function failLoad(life: Life): Step {
  return { life: { ...life, loadFailed: true }, changes: [{ kind: 'load_failed' }] };
}

function forgetOldAsk(life: Life, at: number): Life {
  return life.askedAt !== undefined && at - life.askedAt > ASK_REMEMBERED_MS ? withdraw(life) : life;
}

function still(life: Life): Step {
  return { life, changes: [] };
}

function after(first: Step, second: Step): Step {
  return { life: second.life, changes: [...first.changes, ...second.changes] };
}

/** Never negative: the wall clock may be set back between two sightings. */
function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
