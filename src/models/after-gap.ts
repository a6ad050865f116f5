import type { StatusEvent } from './feed.ts';
import type { Lifecycle } from './router-state.ts';

/** Whether the process of an event is another one than was observed last: it may have been replaced in a gap of the event stream. */
export type ProcessAfterGap = 'unclear' | 'other';

/**
 * What an event is about, if its model was observed last before a gap. Only the end of a load has facts: then the process is
 * not that which was asleep. `unknown`: a model that loads without a start wakes up, but the start may have been missed;
 * the next listing shows it.
 */
export function processAfterGap(
  { known, loading }: Pick<Lifecycle, 'known' | 'loading'>,
  { status, begins, facts }: StatusEvent,
): ProcessAfterGap | 'unknown' {
  const isUp = known === 'loaded' || known === 'sleeping';
  if (status === 'loading' && !begins && isUp) return 'unknown';
  const wasAsleep = known === 'sleeping' || loading?.kind === 'wake';
  return status === 'loaded' && facts !== undefined && wasAsleep ? 'other' : 'unclear';
}
