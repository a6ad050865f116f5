import { createAlarm } from '../lib/alarm.ts';
import { keepFollowing } from './following.ts';
import { keepListing, list, pauseOf } from './listings.ts';
import type { TrackerParts, Tracking } from './tracking.ts';

export type Tracker = ReturnType<typeof startTracker>;

/**
 * Follows one router: events as they arrive, and full listings to reconcile. Trackers are independent, so a slow or
 * dead router delays no other.
 */
export function startTracker(parts: TrackerParts) {
  const { router, store } = parts;
  let firstListed = () => {};
  const ready = new Promise<void>((resolve) => {
    firstListed = resolve;
  });
  const alarm = () => createAlarm(store.clock);
  const tracking: Tracking = {
    ...parts,
    newer: new Set(),
    stale: new Set(),
    firstListed,
    settling: alarm(),
    ending: new AbortController(),
    stream: new AbortController(),
    nextStream: alarm(),
    relisting: alarm(),
    nextListing: alarm(),
    hasListed: false,
    propsDue: true,
    pauseMs: 0,
  };
  const { ending, nextStream, relisting, nextListing, settling } = tracking;
  router.pollingMs = parts.pace.pollingMs;
  const loops = [keepFollowing(tracking), keepListing(tracking)];
  return {
    /** Resolves when the first listing is applied, has failed, or is cancelled. */
    ready,
    /** Lists the models now; resolves when the answer is applied, or has failed. */
    async refresh(): Promise<void> {
      const wasUp = router.up;
      tracking.refreshedAt = store.clock.now();
      await list(tracking);
      // Otherwise the router would stay down, or be polled slowly, until the next regular listing.
      if (router.up ? pauseOf(tracking) < tracking.pauseMs : wasUp) nextListing.ring();
    },
    async stop(): Promise<void> {
      ending.abort();
      tracking.stream.abort();
      for (const each of [relisting, nextListing, nextStream, settling]) each.ring();
      firstListed();
      await Promise.all(loops);
    },
  };
}
