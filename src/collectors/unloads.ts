import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Guards } from '../unload/guards.ts';
import type { Operations } from '../unload/operations.ts';
import type { Collector } from './scrape.ts';

/** The last unload of each router, and whether loop protection pauses its automatic unloads. */
export function collectUnloads(store: Store, operations: Operations, guards: Guards): Collector {
  const samples = createSampleCache();
  return () => [
    samples(CATALOG.lastUnload, (row) => {
      for (const { name } of store.routers()) {
        const at = operations.lastUnload(name);
        row({ router: name }, at === undefined ? undefined : at / 1000);
      }
    }),
    samples(CATALOG.unloadPaused, (row) => {
      const loops = guards.loops();
      for (const { name: router } of store.routers()) {
        for (const trigger of guards.triggers) {
          const isPaused = loops.some((loop) => loop.router === router && loop.trigger === trigger);
          row({ router, trigger }, Number(isPaused));
        }
      }
    }),
  ];
}
