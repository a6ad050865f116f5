import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Collector } from './collector.ts';

/**
 * Whether each router is held, and until when. Looked up at every scrape: a hold ends by the time of day, which
 * changes no version until somebody looks.
 */
export function collectHolds(store: Store, holds: Holds, clock: Clock): Collector {
  const sheet = createSampleCache();
  return () => {
    const all = store.routers().map(({ name }) => ({ router: name, hold: holds.of(name) }));
    return [
      sheet(CATALOG.holdActive, (row) => {
        for (const { router, hold } of all) row({ router }, Number(hold !== undefined));
      }),
      sheet(CATALOG.holdUntil, (row) => {
        for (const { router, hold } of all) row({ router }, hold && clock.wall(hold.until) / 1000);
      }),
    ];
  };
}
