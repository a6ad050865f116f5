import type { Discovery } from '../fleet/discovery/discovery.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Row } from '../metrics/family.ts';
import type { Collector } from './scrape.ts';

/** The result of each discovery group, and the labels of all routers. */
export function collectDiscovery(discovery: Discovery, clock: Clock): Collector {
  const samples = createSampleCache();
  return () => {
    const groups = discovery.groups();
    return [
      samples(CATALOG.discoveredRouters, (row) => {
        for (const { group, found, ignored } of groups) row({ group }, found - ignored.length);
      }),
      samples(CATALOG.discoveryIgnored, (row) => {
        for (const { group, ignored } of groups) row({ group }, ignored.length);
      }),
      samples(CATALOG.discoverySuccess, (row) => {
        for (const { group, faults } of groups) row({ group }, Number(faults.length === 0));
      }),
      samples(CATALOG.discoveryLastSuccess, (row) => {
        for (const { group, succeededAt: at } of groups) {
          row({ group }, at === undefined ? undefined : clock.wall(at) / 1000);
        }
      }),
      samples(CATALOG.routerLabels, (row) => {
        for (const { name, labels } of discovery.current.routers) {
          if (Object.keys(labels).length > 0) row(labelsOf(name, labels), 1);
        }
      }),
    ];
  };
}

/** The prefix keeps them apart from the label `router`. */
function labelsOf(router: string, labels: Row['labels']): { router: string } {
  const prefixed = Object.entries(labels).map(([name, text]) => [`label_${name}`, text]);
  return { router, ...Object.fromEntries(prefixed) };
}
