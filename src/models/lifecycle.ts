import type { Change, Life, LifecycleRules, Sighting, Step } from './lifecycle-state.ts';
import { isRunning, type Status, type UnloadReason } from './status.ts';

/** How long an unload that we asked for may take before its end is no longer put down to us. */
const ASK_REMEMBERED_MS = 10 * 60_000;

/**
 * One step of a model's life: what we believed, what was seen, what we believe now and what therefore
 * happened. `life` is undefined at first sight, which counts nothing: the model was there before us; then
 * `earlier` is its last unload, if one is remembered.
 */
export function see(
  life: Life | undefined,
  sighting: Sighting,
  at: number,
  rules: LifecycleRules,
  earlier?: Life['lastUnload'],
): Step {
  if (life === undefined) return meet(sighting, at, earlier);
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

/** The router would not unload it: what happens next is not our doing, unless we had asked `before` as well. */
export function withdraw(life: Life, before?: number): Life {
  const { askedAt, ...rest } = life;
  return askedAt === undefined || before === undefined ? rest : { ...rest, askedAt: before };
}

/** Says what an undecided unload was. Nothing happens where none is undecided. */
export function settle(life: Life, evicted: boolean): Step {
  const { undecided, ...rest } = life;
  if (undecided === undefined) return still(life);
  return unload(rest, evicted ? 'evicted' : 'external', undecided.from, undecided.at);
}

/** No longer listed: what was in memory is not any more. */
export function vanish(life: Life, at: number): Step {
  const decided = settle(life, false);
  const ended = disappear(decided.life, at);
  return { life: ended.life, changes: [...decided.changes, ...ended.changes, { kind: 'vanished' }] };
}

function meet(sighting: Sighting, at: number, earlier: Life['lastUnload']): Step {
  const life: Life = { status: 'other', loadFailed: false, markedFailed: false };
  if (sighting.via === 'listing') life.loadFailed = sighting.failed === true;
  if (sighting.status === 'loading') life.loading = { kind: 'load' };
  if (isBeginning(sighting)) {
    life.loading = { kind: 'load', startedAt: at };
    life.since = at;
  }
  const wasAtRest = isBeginning(sighting) || !isRunning(sighting.status);
  if (earlier && wasAtRest) life.lastUnload = { at: earlier.at, reason: earlier.reason };
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
    return sighting.begins === true && isRunning(life.known) && !isComingUp(life);
  }
  if (!sighting.instance || life.instance === undefined) {
    // Without processes to compare, only a new mark of failure on a model at rest tells of an attempt.
    return sighting.failed === true && !life.markedFailed && life.known === 'unloaded';
  }
  return sighting.instance !== life.instance && life.known !== undefined;
}

/** What must have happened between two sightings for the second to be of another process. */
function endUnseen(life: Life, sighting: Sighting, at: number, rules: LifecycleRules): Step {
  const ended = disappear(life, at);
  const { loading: _, ...gone } = ended.life;
  const rested: Step = { ...ended, life: { ...gone, known: 'unloaded' } };
  if (isRunning(sighting.status) || sighting.status === 'other') return rested;
  // It is at rest again: a whole load came and went unseen.
  if (sighting.via === 'listing' && sighting.failed) return after(rested, failLoad(rested.life));
  const loaded = after(rested, arrive(rested.life, at, rules));
  const left = after(loaded, leave({ ...loaded.life, known: 'loaded' }, sighting, at, rules));
  return { ...left, life: { ...left.life, known: 'unloaded' } };
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
      return leave(life, sighting, at, rules);
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
function leave(life: Life, sighting: Sighting, at: number, rules: LifecycleRules): Step {
  const from = life.known;
  if (!isRunning(from)) return still(life);
  const end = endOf(sighting);
  if (isComingUp(life) && end === 'well') {
    // Only what came up can end well: it was loaded, and nobody told us when.
    const loaded = arrive({ ...life, known: 'unloaded' }, at, rules);
    return after(loaded, leave({ ...loaded.life, known: 'loaded' }, sighting, at, rules));
  }
  if (life.askedAt !== undefined || (isComingUp(life) && end === 'untold')) return disappear(life, at);
  if (end === 'badly') return isComingUp(life) ? failLoad(life) : unload(life, 'crashed', from, at);
  if (sighting.via === 'listing') return unload(life, sighting.evicted ? 'evicted' : 'external', from, at);
  return sighting.full ? still({ ...life, undecided: { at, from } }) : unload(life, 'external', from, at);
}

/** It went, and how is not known. A load that ended unseen may have failed or not: it counts as neither. */
function disappear(life: Life, at: number): Step {
  if (!isRunning(life.known)) return still(life);
  if (life.askedAt !== undefined) return unload(life, 'requested', life.known, at);
  return isComingUp(life) ? still(life) : unload(life, 'external', life.known, at);
}

/** A listing marks only what ended badly, and that its process is the same shows that nothing was forgotten. */
function endOf(sighting: Sighting): 'well' | 'badly' | 'untold' {
  if (sighting.via === 'event') {
    if (sighting.exitCode === undefined) return 'untold';
    return sighting.exitCode === 0 ? 'well' : 'badly';
  }
  if (sighting.failed) return 'badly';
  return sighting.instance ? 'well' : 'untold';
}

/** A new process is starting: not yet loaded, and not a sleeper that wakes. */
function isComingUp(life: Life): boolean {
  return life.known === 'loading' && life.loading?.kind === 'load';
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
