import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { samplesOf } from '../metrics/family.ts';
import { type Collector, whenChanged } from './collector.ts';

/**
 * The last attempt to load the configuration, and when the one in force was loaded (milliseconds). Every
 * attempt makes another object.
 */
export interface ConfigLoads {
  successful: boolean;
  loadedAt: number;
}

/** What the exporter says of itself. */
export function collectExporter(version: string, loads: () => ConfigLoads, clock: Clock): Collector {
  const build = samplesOf(CATALOG.buildInfo, (row) => row({ version, nodeversion: process.version }, 1));
  const config = () => [
    samplesOf(CATALOG.configReloadSuccessful, (row) => row({}, Number(loads().successful))),
    samplesOf(CATALOG.configReloadSuccess, (row) => row({}, clock.wall(loads().loadedAt) / 1000)),
  ];
  const collect = whenChanged(loads, config);
  return () => [build, ...(collect() as ReturnType<typeof config>)];
}
