import type { Activity, ModelState, UnloadReason } from './router-state.ts';

/**
 * The activity by the number of requests that the server reports at `at`, given the activity before. The first number, which
 * is no change, dates no earlier activity.
 */
export function activityBy(inFlight: number, isChange: boolean, at: number, before?: Activity): Activity {
  const busy = inFlight > 0;
  const isActive = isChange || busy || before?.busy;
  const { watchedAt = at, lastAt } = before ?? {};
  return { busy, watchedAt, lastAt: isActive ? at : lastAt, work: 0 };
}

/** The clocks of both ends, and the delay of events. */
const TTL_SLACK_MS = 500;

/**
 * Why a model has ended, if nothing was evicted: only one that was seen idle for its whole time to live has expired. Where it
 * is unknown since when it was idle, the reason is too.
 */
export function reasonOfCleanEnd(
  { lifecycle, activity, ttlSeconds = 0 }: ModelState,
  at: number,
): UnloadReason {
  if (ttlSeconds === 0 || activity?.busy) return 'external';
  if (activity?.lastAt === undefined) return 'unknown';
  const orderedAt = lifecycle.status === 'unloading' ? (lifecycle.since ?? at) : at;
  return orderedAt - activity.lastAt >= ttlSeconds * 1000 - TTL_SLACK_MS ? 'expired' : 'external';
}
