import type { ModelState } from '../models/router-state.ts';

/** What is known of a router without event stream. Times in monotonic milliseconds. */
export interface PolledRouter {
  models: Iterable<Pick<ModelState, 'lifecycle' | 'firstSeenAt'>>;
  /** When an operation last requested a listing. */
  refreshedAt?: number | undefined;
}

/** While something happens, listings follow each other this many times faster, but not faster than the shortest pause. */
const FACTOR = 4;
const SHORTEST_MS = 200;

/** Changes come in groups: a load follows an eviction, a reload an unload. */
const ACTIVE_MS = 60_000;

/** A load that takes longer is probably stuck, which is no reason to hurry. */
const LOAD_MS = 10 * 60_000;

/** The pause between two listings of a router without event stream: shorter while something happens on it. */
export function pollingPause(router: PolledRouter, now: number, intervalMs: number): number {
  return isActive(router, now)
    ? Math.min(intervalMs, Math.max(SHORTEST_MS, intervalMs / FACTOR))
    : intervalMs;
}

/** Whether a model loads or is being unloaded, or something changed or was requested a moment ago. */
function isActive({ models, refreshedAt }: PolledRouter, now: number): boolean {
  const isRecent = (at: number | undefined, withinMs: number) => at !== undefined && now - at < withinMs;
  if (isRecent(refreshedAt, ACTIVE_MS)) return true;
  for (const { lifecycle, firstSeenAt } of models) {
    const { status, since, unloadRequestedAt } = lifecycle;
    if (unloadRequestedAt !== undefined || isRecent(since, ACTIVE_MS)) return true;
    if (status === 'loading' && isRecent(since ?? firstSeenAt, LOAD_MS)) return true;
  }
  return false;
}
