import type { Clock } from '../lib/clock.ts';
import { perObject } from '../lib/per-object.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import type { RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { Guards } from '../unload/guards.ts';
import { AUTOMATIC_TRIGGERS } from '../unload/request.ts';
import { type Collector, routerLabels, wallSeconds } from './scrape.ts';

/** The last unload of each router, and whether loop protection pauses its automatic unloads. */
export function collectUnloads(store: Store, guards: Guards, clock: Clock): Collector {
  const samples = createSampleCache();
  const triggersOf = perObject(({ name }: Readonly<RouterState>) =>
    AUTOMATIC_TRIGGERS.map((trigger) => ({ labels: { router: name, trigger } })),
  );
  return () => {
    const loops = guards.loops();
    const routers = store.routers().map((state) => ({ labels: routerLabels(state) }));
    const triggers = store.routers().flatMap(triggersOf);
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
