import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Guards } from '../unload/guards.ts';
import { AUTOMATIC_TRIGGERS } from '../unload/request.ts';
import type { Collector } from './scrape.ts';

/** The last unload of each router, and whether loop protection pauses its automatic unloads. */
export function collectUnloads(store: Store, guards: Guards, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => [
    samples(CATALOG.lastUnload, (row) => {
      for (const { name } of store.routers()) {
        const at = guards.lastUnload(name);
        row({ router: name }, at === undefined ? undefined : clock.wall(at) / 1000);
      }
    }),
    samples(CATALOG.unloadPaused, (row) => {
      const loops = guards.loops();
      for (const { name: router } of store.routers()) {
        for (const trigger of AUTOMATIC_TRIGGERS) {
          const isPaused = loops.some((loop) => loop.router === router && loop.trigger === trigger);
          row({ router, trigger }, Number(isPaused));
        }
      }
    }),
  ];
}
