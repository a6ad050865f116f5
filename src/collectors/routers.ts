import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import { STATUSES } from '../models/feed.ts';
import type { Store } from '../models/store.ts';
import { type Collector, flag, wallSeconds } from './scrape.ts';

/** The state of every router. A router that is down has no properties: they may have changed since. */
export function collectRouters(store: Store, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const all = store.routers().map((state) => ({ state, labels: { router: state.name } }));
    const reached = all.filter(({ state }) => state.up);
    const builds = reached.flatMap(({ state: { props }, labels }) =>
      props.build ? [{ labels: { ...labels, build: props.build } }] : [],
    );
    const counts = reached.flatMap(({ state, labels }) => {
      const count = { downloading: 0, unloaded: 0, loading: 0, loaded: 0, sleeping: 0, other: 0 };
      for (const { lifecycle } of state.models.values()) count[lifecycle.status] += 1;
      return STATUSES.map((status) => ({ labels: { ...labels, status }, count: count[status] }));
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
