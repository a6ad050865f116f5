import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Guards } from '../unload/guards.ts';
import { AUTOMATIC_TRIGGERS } from '../unload/request.ts';
import { type Collector, wallSeconds } from './scrape.ts';

/** The last unload of each router, and whether loop protection pauses its automatic unloads. */
export function collectUnloads(store: Store, guards: Guards, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const loops = guards.loops();
    const routers = store.routers().map(({ name }) => ({ labels: { router: name } }));
    const triggers = routers.flatMap(({ labels }) =>
      AUTOMATIC_TRIGGERS.map((trigger) => ({ labels: { ...labels, trigger } })),
    );
    return [
      samples(CATALOG.last_unload_timestamp_seconds, routers, ({ labels }) =>
        wallSeconds(clock, guards.lastUnload(labels.router)),
      ),
      samples(CATALOG.unload_paused, triggers, ({ labels: { router, trigger } }) =>
        Number(loops.some((loop) => loop.router === router && loop.trigger === trigger)),
      ),
    ];
  };
}
