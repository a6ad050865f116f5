import {
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
  type MetricValueWithName,
  Registry,
} from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import type { Family, Samples } from './exposition.ts';

/**
 * Reading /proc and the heap takes longer than the rest of a scrape, so it is done in the background. Every five seconds, it
 * would be a tenth of the work of an idle exporter.
 */
const INTERVAL_MS = 15_000;

/** Gauges with the suffix of a counter: `promtool check metrics` rejects them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Watching the event loop wakes an idle process 100 times a second and takes 0.7 % of a core. */
const EVENT_LOOP = ['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map(
  (figure) => `nodejs_eventloop_lag${figure}_seconds`,
);

/** prom-client watches the event loop even if those metrics are removed: once a day is the least. */
const EVENT_LOOP_WATCH_MS = 86_400_000;

/** prom-client's `process_*` and `nodejs_*` metrics of this process, at most fifteen seconds old. */
export function startProcessMetrics(clock: Clock) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_WATCH_MS });
  for (const name of [...MISNAMED, ...EVENT_LOOP]) registry.removeSingleMetric(name);
  let samples: readonly Samples[] = [];
  let cancel = () => {};
  refresh();
  return {
    /** Empty until the first reading, which takes milliseconds. */
    samples: (): readonly Samples[] => samples,
    stop: () => cancel(),
  };

  function refresh(): void {
    registry.getMetricsAsJSON().then((metrics) => {
      samples = metrics.map(samplesOf).filter(({ rows }) => rows.length > 0);
    });
    cancel = clock.after(INTERVAL_MS, refresh);
  }
}

/** The declared types lack the names of a histogram's rows, and say that `type` is an enumeration: it is its word. */
function samplesOf({ name, help, type, values }: MetricObjectWithValues<MetricValue<string>>): Samples {
  const rows = values.map(({ labels, value, metricName }: MetricValueWithName<string>) => ({
    labels: Object.fromEntries(Object.entries(labels).map(([label, text]) => [label, String(text)])),
    value,
    suffix: metricName?.slice(name.length) || undefined,
  }));
  return { family: { name, type: String(type) as Family['type'], help, labels: [] }, rows };
}
