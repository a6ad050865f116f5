import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Store } from '../models/store.ts';
import type { Guards } from '../unload/guards.ts';
import type { Operations } from '../unload/operations.ts';
import type { Collector } from './collector.ts';

/** What operations did last, and whether a loop stops them. Written anew each time: a pause ends without a word. */
export function collectUnloads(store: Store, operations: Operations, guards: Guards): Collector {
  const sheet = createSampleCache();
  return () => [
    sheet(CATALOG.lastUnload, (row) => {
      for (const { name } of store.routers()) {
        const at = operations.lastUnload(name);
        row({ router: name }, at === undefined ? undefined : at / 1000);
      }
    }),
    sheet(CATALOG.unloadPaused, (row) => {
      const loops = guards.loops();
      for (const { name: router } of store.routers()) {
        for (const trigger of guards.triggers) {
          const paused = loops.some((loop) => loop.router === router && loop.trigger === trigger);
          row({ router, trigger }, Number(paused));
        }
      }
    }),
  ];
}
