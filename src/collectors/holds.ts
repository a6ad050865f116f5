import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Collector } from './scrape.ts';

/** Whether each router is held, and until when. */
export function collectHolds(store: Store, holds: Holds, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const all = store.routers().map(({ name }) => ({ router: name, hold: holds.of(name) }));
    return [
      samples(CATALOG.holdActive, (row) => {
        for (const { router, hold } of all) row({ router }, Number(hold !== undefined));
      }),
      samples(CATALOG.holdUntil, (row) => {
        for (const { router, hold } of all) row({ router }, hold && clock.wall(hold.until) / 1000);
      }),
    ];
  };
}
