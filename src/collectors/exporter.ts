import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import { type Collector, flag, wallSeconds } from './scrape.ts';

/** Whether the last attempt to load the configuration succeeded, and when the active one was loaded (monotonic). */
export interface ConfigLoads {
  successful: boolean;
  loadedAt: number;
}

/** Whether the last write to each of the exporter's files succeeded; undefined: no file, or nothing written yet. */
type Writes = Record<'audit' | 'state' | 'log', () => boolean | undefined>;

/** The exporter itself: its version, configuration and files. */
export function collectExporter(
  version: string,
  loads: () => ConfigLoads,
  writes: Writes,
  clock: Clock,
): Collector {
  const samples = createSampleCache();
  const build = [{ labels: { version, nodeversion: process.version } }];
  const one = [{ labels: {} }];
  return () => [
    samples(CATALOG.audit_last_write_successful, one, () => flag(writes.audit())),
    samples(CATALOG.state_last_write_successful, one, () => flag(writes.state())),
    samples(CATALOG.log_last_write_successful, one, () => flag(writes.log())),
    samples(CATALOG.exporter_build_info, build, () => 1),
    samples(CATALOG.config_last_reload_successful, one, () => flag(loads().successful)),
    samples(CATALOG.config_last_reload_success_timestamp_seconds, one, () =>
      wallSeconds(clock, loads().loadedAt),
    ),
  ];
}
