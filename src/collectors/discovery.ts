import type { Discovery } from '../fleet/discovery/discovery.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import { type Collector, wallSeconds } from './scrape.ts';

/** The shard, the result of each discovery group, and the labels of all routers. */
export function collectDiscovery(discovery: Discovery, clock: Clock): Collector {
  const samples = createSampleCache();
  const one = [{ labels: {} }];
  return () => {
    const { shard, total_shards } = discovery.current.follow;
    const isSharded = total_shards > 1;
    const groups = discovery.groups().map((group) => ({ ...group, labels: { group: group.group } }));
    const labelled = discovery.current.routers
      .filter(({ labels }) => Object.keys(labels).length > 0)
      .map(({ name, labels }) => ({ labels: { router: name, ...prefixed(labels) } }));
    return [
      samples(CATALOG.exporter_shard, one, () => (isSharded ? shard : undefined)),
      samples(CATALOG.exporter_total_shards, one, () => (isSharded ? total_shards : undefined)),
      samples(CATALOG.discovered_routers, groups, ({ found, ignored }) => found - ignored.length),
      samples(CATALOG.discovery_ignored_routers, groups, ({ ignored }) => ignored.length),
      samples(CATALOG.discovery_success, groups, ({ faults }) => Number(faults.length === 0)),
      samples(CATALOG.discovery_last_success_timestamp_seconds, groups, (group) =>
        wallSeconds(clock, group.succeededAt),
      ),
      samples(CATALOG.labels, labelled, () => 1),
    ];
  };
}

/** The prefix keeps them apart from the label `router`. */
function prefixed(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, text]) => [`label_${name}`, text]));
}
