import { lastToEnd } from '../hold/hold.ts';
import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import type { Store } from '../models/store.ts';
import { type Collector, routerLabels, wallSeconds } from './scrape.ts';

/** Whether each router is held, by how many holds, and until when. */
export function collectHolds(store: Store, holds: Holds, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const all = store
      .routers()
      .map((state) => ({ labels: routerLabels(state), holds: holds.on(state.name) }));
    return [
      samples(CATALOG.hold_active, all, ({ holds }) => Number(holds.length > 0)),
      samples(CATALOG.hold_until_timestamp_seconds, all, ({ holds }) =>
        wallSeconds(clock, lastToEnd(holds)?.until),
      ),
      samples(CATALOG.holds, all, ({ holds }) => holds.length),
    ];
  };
}
