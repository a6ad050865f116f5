import { isRunning, type Status } from './feed.ts';
import type { Change, Lifecycle, UnloadReason } from './router-state.ts';
import { exitOf, type Observation, observedReason } from './unload-reason.ts';

export interface LifecycleRules {
  /** A load this soon after an unload is a reload. */
  reloadWindowMs: number;
}

/** A step under construction: a copy of the lifecycle, which the functions below change. */
export interface Draft {
  lifecycle: { -readonly [Key in keyof Lifecycle]: Lifecycle[Key] };
  changes: Change[];
}

/** An observation with its time and the rules to judge it by. */
export interface Moment {
  observation: Observation;
  at: number;
  rules: LifecycleRules;
}

/** Adds the changes that entering the observed status implies. */
export function enterStatus(draft: Draft, moment: Moment): void {
  switch (moment.observation.status) {
    case 'loading':
      return startLoading(draft, moment);
    case 'loaded':
      return becomeLoaded(draft, moment);
    case 'sleeping':
      return fallAsleep(draft, moment);
    case 'unloading':
      draft.lifecycle.unloadingFrom ??= draft.lifecycle.known;
      return;
    case 'unloaded':
    case 'downloading':
      return leaveMemory(draft, moment);
    case 'other':
  }
}

function startLoading(draft: Draft, moment: Moment): void {
  const { lifecycle, changes } = draft;
  const { observation, at } = moment;
  const { known, loading } = lifecycle;
  if (hasLoaded(observation) && known !== 'sleeping' && loading?.kind !== 'wake') {
    // Its load and its sleep were not observed.
    fallAsleep(draft, moment);
    lifecycle.loading = { kind: 'wake', startedAt: at };
  } else if (known !== 'loading') {
    const wakes = known === 'loaded' || known === 'sleeping';
    lifecycle.loading = { kind: wakes ? 'wake' : 'load', startedAt: at };
    // A loaded model that loads wakes up: that it fell asleep was not observed.
    if (known === 'loaded') changes.push({ kind: 'slept' });
  } else if (isStart(observation)) {
    lifecycle.loading = { ...loading, kind: 'load', startedAt: loading?.startedAt ?? at };
  }
}

/** It is loaded now: after a load or a wake, or as before. */
function becomeLoaded({ lifecycle, changes }: Draft, { observation, at, rules }: Moment): void {
  const { known, loading, lastUnload } = lifecycle;
  if (known === undefined || known === 'loaded' || known === 'unloading') return;
  if (known === 'sleeping' || loading?.kind === 'wake') {
    // A process that no listing has named may have been replaced: then this is no wake, but that it ended was not observed.
    const mayBeOther =
      observation.via === 'listing' && observation.instance && lifecycle.instance === undefined;
    if (!mayBeOther) changes.push({ kind: 'woke' });
    return;
  }
  const startedAt = known === 'loading' ? loading?.startedAt : undefined;
  const isReload = lastUnload !== undefined && at - lastUnload.at <= rules.reloadWindowMs;
  changes.push({
    kind: 'loaded',
    durationSeconds: startedAt === undefined ? undefined : (at - startedAt) / 1000,
    reload: isReload ? { reason: lastUnload.reason, afterSeconds: (at - lastUnload.at) / 1000 } : undefined,
  });
  lifecycle.lastUnload = undefined;
  lifecycle.loadFailed = false;
}

function fallAsleep(draft: Draft, moment: Moment): void {
  const { lifecycle, changes } = draft;
  if (lifecycle.known === undefined || lifecycle.known === 'sleeping') return;
  // When a load ended is unknown if the model was asleep before it was observed loaded.
  if (isStarting(lifecycle)) lifecycle.loading = undefined;
  becomeLoaded(draft, moment);
  changes.push({ kind: 'slept' });
}

/** It has no process any more: an unload and its reason, or a failed load. */
export function leaveMemory(draft: Draft, moment: Moment): void {
  const { lifecycle } = draft;
  const { observation, at } = moment;
  const exit = exitOf(observation);
  if (isStarting(lifecycle) && exit === 'clean') {
    // Only a loaded model exits cleanly: that it was loaded was not observed.
    lifecycle.known = 'unloaded';
    becomeLoaded(draft, moment);
    lifecycle.known = 'loaded';
  }
  if (!isRunning(lifecycle.known)) return;
  const from = lifecycle.unloadingFrom ?? lifecycle.known;
  const killed = exit === 'killed';
  const isRequested = lifecycle.unloadRequestedAt !== undefined;
  if (isRequested || (isStarting(lifecycle) && exit === 'unknown')) {
    end(draft, { reason: 'unknown', at, killed });
  } else if (isStarting(lifecycle)) {
    lifecycle.loadFailed = true;
    draft.changes.push({ kind: 'load_failed', exitCode: observation.exitCode });
  } else {
    const otherwise = observedReason(exit, observation);
    if (exit !== 'failed' && observation.via === 'event' && observation.mayEvict) {
      lifecycle.pendingReason = { at, from, killed, otherwise };
    } else unload(draft, { reason: otherwise, from, at, killed });
  }
}

interface Unload {
  reason: UnloadReason;
  from: Status;
  at: number;
  killed: boolean;
}

/** Its end was requested, or not observed itself. A load that ended so counts neither as loaded nor as failed. */
export function end(draft: Draft, { reason, at, killed }: Omit<Unload, 'from'>): void {
  const { known, unloadingFrom, unloadRequestedAt } = draft.lifecycle;
  if (!isRunning(known)) return;
  const from = unloadingFrom ?? known;
  const starts = isStarting(draft.lifecycle);
  if (unloadRequestedAt !== undefined) {
    unload(draft, { reason: 'requested', from, at, killed: killed && !starts });
  } else if (!starts) {
    unload(draft, { reason, from, at, killed });
  }
}

/** A new process is loading the model; waking up does not count. */
export function isStarting(lifecycle: Lifecycle): boolean {
  return lifecycle.known === 'loading' && lifecycle.loading?.kind === 'load';
}

function unload({ lifecycle, changes }: Draft, { reason, from, at, killed }: Unload): void {
  const forced = killed && (reason === 'requested' || reason === 'evicted') ? true : undefined;
  lifecycle.unloadRequestedAt = undefined;
  if (from === 'loading' && reason === 'requested') lifecycle.loadFailed = false;
  lifecycle.lastUnload = { at, reason, forced };
  changes.push({ kind: 'unloaded', reason, from, forced });
}

/** Decides a pending unload reason. */
export function settle(draft: Draft, evicted: boolean): void {
  const { pendingReason } = draft.lifecycle;
  if (pendingReason === undefined) return;
  const { at, from, killed, otherwise } = pendingReason;
  draft.lifecycle.pendingReason = undefined;
  unload(draft, { reason: evicted ? 'evicted' : otherwise, from, at, killed });
}

/** A process was started, so the model was unloaded a moment ago even if that was not observed. */
export function isStart(observation: Observation): boolean {
  return observation.via === 'event' && observation.begins === true;
}

/** A process that has loaded its model and is loading again wakes up. */
export function hasLoaded(observation: Observation): boolean {
  return observation.via === 'listing' && observation.hasLoaded === true;
}
