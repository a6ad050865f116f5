import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import type { Family, Samples } from './family.ts';

/** Reading /proc and the heap takes longer than all the rest of a scrape: done beside the scrapes, this often. */
const READ_MS = 5000;

/** Gauges whose name ends like a counter's: `promtool check metrics` rejects them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/**
 * Left out: watching the event loop wakes an idle process 100 times a second, 0.7 % of a core, and reading its
 * histogram takes longer than reading all the others.
 */
const EVENT_LOOP = ['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map(
  (figure) => `nodejs_eventloop_lag${figure}_seconds`,
);

/** prom-client watches the event loop at this interval whether its metrics are read or not: once a day. */
const EVENT_LOOP_WATCH_MS = 86_400_000;

/** The `process_*` and `nodejs_*` metrics of prom-client, at most five seconds old. */
export interface ProcessMetrics {
  samples(): Promise<readonly Samples[]>;
  stop(): void;
}

export function startProcessMetrics(clock: Clock): ProcessMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_WATCH_MS });
  for (const name of [...MISNAMED, ...EVENT_LOOP]) registry.removeSingleMetric(name);
  let reading = read(registry);
  let cancel = clock.after(READ_MS, again);
  return { samples: () => reading, stop: () => cancel() };

  function again(): void {
    reading = read(registry);
    cancel = clock.after(READ_MS, again);
  }
}

async function read(registry: Registry): Promise<Samples[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map((metric) => {
    const family: Family = {
      name: metric.name,
      help: metric.help,
      // As prom-client says it, whose enumeration its typings and its JSON spell differently.
      type: String(metric.type) as Family['type'],
      labels: [],
    };
    const rows = metric.values.map((value) => ({
      labels: Object.fromEntries(Object.entries(value.labels).map(([name, text]) => [name, String(text)])),
      value: value.value,
      ...('metricName' in value && { suffix: String(value.metricName).slice(metric.name.length) }),
    }));
    return { family, rows };
  });
}
