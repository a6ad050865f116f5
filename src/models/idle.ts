import type { ModelState } from './router-state.ts';

/**
 * Since when a model in memory has served nothing, in milliseconds since the epoch; undefined when it is busy,
 * still loading, not in memory, or when nobody knows. Never earlier than the truth as far as it was seen: a model
 * that we have only just met may have been idle for longer.
 */
export function idleSince({ lifecycle, activity, firstSeenAt }: ModelState): number | undefined {
  switch (lifecycle.status) {
    case 'sleeping':
      return Math.max(lifecycle.since ?? firstSeenAt, activity?.lastAt ?? 0);
    case 'loaded':
      if (activity === undefined || activity.busy) return undefined;
      return Math.max(lifecycle.since ?? firstSeenAt, activity.lastAt ?? activity.watchedAt);
    default:
      return undefined;
  }
}
