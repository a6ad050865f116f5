import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import { STATUSES } from '../models/feed.ts';
import type { Store } from '../models/store.ts';
import type { Collector } from './scrape.ts';

/** The state of every router. A router that is down has no properties: they may have changed since. */
export function collectRouters(store: Store, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const all = store.routers();
    const reached = all.filter((router) => router.up);
    return [
      samples(CATALOG.up, (row) => {
        for (const { name, up } of all) row({ router: name }, up === undefined ? undefined : Number(up));
      }),
      samples(CATALOG.info, (row) => {
        for (const { name, props } of reached) if (props.build) row({ router: name, build: props.build }, 1);
      }),
      samples(CATALOG.modelsMax, (row) => {
        for (const { name, props } of reached) row({ router: name }, props.modelsMax);
      }),
      samples(CATALOG.modelsAutoload, (row) => {
        for (const { name, props } of reached) {
          row({ router: name }, props.autoload === undefined ? undefined : Number(props.autoload));
        }
      }),
      samples(CATALOG.models, (row) => {
        for (const { name, models } of reached) {
          const count = { downloading: 0, unloaded: 0, loading: 0, loaded: 0, sleeping: 0, other: 0 };
          for (const { lifecycle } of models.values()) count[lifecycle.status] += 1;
          for (const status of STATUSES) row({ router: name, status }, count[status]);
        }
      }),
      samples(CATALOG.malformedModels, (row) => {
        for (const { name, malformed } of reached) row({ router: name }, malformed.length);
      }),
      samples(CATALOG.streamConnected, (row) => {
        for (const { name, stream } of all) row({ router: name }, Number(stream === 'connected'));
      }),
      samples(CATALOG.lastPoll, (row) => {
        for (const { name, listedAt } of all) {
          row({ router: name }, listedAt === undefined ? undefined : clock.wall(listedAt) / 1000);
        }
      }),
    ];
  };
}
