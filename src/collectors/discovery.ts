import type { Discovery } from '../fleet/discovery/discovery.ts';
import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Row, samplesOf } from '../metrics/family.ts';
import { type Collector, whenChanged } from './collector.ts';

/** How finding routers goes, and the labels of all. */
export function collectDiscovery(discovery: Discovery, clock: Clock): Collector {
  const sheet = createSampleCache();
  return whenChanged(discovery.version, () => {
    const groups = discovery.groups();
    return [
      sheet(CATALOG.discoveredRouters, (row) => {
        for (const { group, found, ignored } of groups) row({ group }, found - ignored.length);
      }),
      sheet(CATALOG.discoveryIgnored, (row) => {
        for (const { group, ignored } of groups) row({ group }, ignored.length);
      }),
      sheet(CATALOG.discoverySuccess, (row) => {
        for (const { group, faults } of groups) row({ group }, Number(faults.length === 0));
      }),
      sheet(CATALOG.discoveryLastSuccess, (row) => {
        for (const { group, succeededAt: at } of groups) {
          row({ group }, at === undefined ? undefined : clock.wall(at) / 1000);
        }
      }),
      // No sheet: that keeps a row which differs only in labels that it had besides.
      samplesOf<string>(CATALOG.routerLabels, (row) => {
        for (const { name, labels } of discovery.current.routers) {
          if (Object.keys(labels).length > 0) row(labelsOf(name, labels), 1);
        }
      }),
    ];
  });
}

/** Prefixed, so that none of them is one of ours. */
function labelsOf(router: string, labels: Row['labels']): Row['labels'] {
  return {
    router,
    ...Object.fromEntries(Object.entries(labels).map(([name, text]) => [`label_${name}`, text])),
  };
}
