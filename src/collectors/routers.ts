import type { Clock } from '../lib/clock.ts';
import { perObject } from '../lib/per-object.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import type { Status } from '../models/feed.ts';
import type { RouterState } from '../models/router-state.ts';
import type { ServerTraits } from '../models/server-traits.ts';
import type { Store } from '../models/store.ts';
import { type Collector, flag, routerLabels, wallSeconds } from './scrape.ts';

/** The state of every router. A router that is down has no properties: they may have changed since. */
export function collectRouters(store: Store, clock: Clock): Collector {
  const samples = createSampleCache();
  const labelsOf = perObject(({ statuses }: ServerTraits) =>
    perObject(({ name }: Readonly<RouterState>) => statuses.map((status) => ({ router: name, status }))),
  );
  const statusLabels = (router: Readonly<RouterState>) => labelsOf(router.traits)(router);
  return () => {
    const all = store.routers().map((state) => ({ state, labels: routerLabels(state) }));
    const reached = all.filter(({ state }) => state.up);
    const builds = reached.flatMap(({ state: { props, traits }, labels }) =>
      props.build ? [{ labels: { ...labels, build: props.build, kind: traits.kind } }] : [],
    );
    const counts = reached.flatMap(({ state }) => {
      const count = new Map<Status, number>();
      for (const { lifecycle } of state.models.values())
        count.set(lifecycle.status, (count.get(lifecycle.status) ?? 0) + 1);
      return statusLabels(state).map((labels) => ({ labels, count: count.get(labels.status) ?? 0 }));
    });
    return [
      samples(CATALOG.up, all, ({ state }) => flag(state.up)),
      samples(CATALOG.info, builds, () => 1),
      samples(CATALOG.models_max, reached, ({ state }) => state.props.modelsMax),
      samples(CATALOG.models_autoload, reached, ({ state }) => flag(state.props.autoload)),
      samples(CATALOG.models, counts, ({ count }) => count),
      samples(CATALOG.malformed_models, reached, ({ state }) => state.malformed.length),
      samples(CATALOG.event_stream_connected, all, ({ state }) => Number(state.stream === 'connected')),
      samples(CATALOG.last_poll_timestamp_seconds, all, ({ state }) => wallSeconds(clock, state.listedAt)),
    ];
  };
}
