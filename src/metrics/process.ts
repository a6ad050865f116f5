import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Family, Samples } from './family.ts';

/** Reading /proc and the heap takes longer than all the rest of a scrape: done at most this often. */
const REFRESH_MS = 1000;

/** Gauges whose name ends like a counter's: `promtool check metrics` rejects them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** The `process_*` and `nodejs_*` metrics of prom-client, at most a second old. `now` in milliseconds. */
export function createProcessMetrics(now: () => number): () => Promise<Samples[]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<Samples[]> = Promise.resolve([]);
  return () => {
    if (now() - readAt >= REFRESH_MS) {
      readAt = now();
      reading = read(registry);
    }
    return reading;
  };
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
