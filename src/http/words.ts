import type { Activity } from '../models/belief.ts';

/** Why nobody knows what the models of a router do. */
export const ACTIVITY_UNKNOWN = 'activity unknown: runs without --metrics';

/** The word for what a loaded model does, the same on the page and in a terminal. */
export function describeActivity(activity: Activity | undefined): string {
  if (activity === undefined) return 'unknown';
  return activity.busy ? 'busy' : 'idle';
}
