import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Collector } from './scrape.ts';

/** Whether the last attempt to load the configuration succeeded, and when the active one was loaded (monotonic). */
export interface ConfigLoads {
  successful: boolean;
  loadedAt: number;
}

/** The exporter itself: its version, configuration and audit file (undefined: no file, or nothing written yet). */
export function collectExporter(
  version: string,
  loads: () => ConfigLoads,
  auditSucceeded: () => boolean | undefined,
  clock: Clock,
): Collector {
  const samples = createSampleCache();
  return () => {
    const { successful, loadedAt } = loads();
    const isAudited = auditSucceeded();
    return [
      samples(CATALOG.auditSuccessful, (row) =>
        row({}, isAudited === undefined ? undefined : Number(isAudited)),
      ),
      samples(CATALOG.buildInfo, (row) => row({ version, nodeversion: process.version }, 1)),
      samples(CATALOG.configReloadSuccessful, (row) => row({}, Number(successful))),
      samples(CATALOG.configReloadSuccess, (row) => row({}, clock.wall(loadedAt) / 1000)),
    ];
  };
}
