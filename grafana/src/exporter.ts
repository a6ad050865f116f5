import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { meanings } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, table, timeline } from './panels.ts';
import { events, max, mean, ofExporter, rate, series, since, sum } from './promql.ts';
import { PROCESS, PROMETHEUS } from './series.ts';
import { UIDS } from './uids.ts';

const SUCCESS = meanings({ 0: { text: 'failed', color: 'red' }, 1: { text: 'ok', color: 'green' } });
const INSTANCE = ['instance'] as const;
const NAMED = '{{instance}}';

export const exporter = dashboard({
  uid: UIDS.exporter,
  title: 'Exporter',
  description: 'The exporter itself: event streams, collectors, faults, durations and resource usage.',
  panels: [
    stat({
      title: 'Exporters',
      description: 'Exporters that are scraped, by version.',
      unit: units.NoUnit,
      width: 6,
      queries: [
        { expr: `count by (version) (${series(CATALOG.exporter_build_info)})`, legend: 'v{{version}}' },
      ],
    }),
    stat({
      title: 'Uptime',
      description: 'Time since the most recent start of an exporter.',
      unit: units.DurationSeconds,
      width: 4,
      queries: [{ expr: `min(${ofExporter(since(series(PROCESS.startTime)))})`, legend: 'up' }],
    }),
    stat({
      title: 'Configuration and files',
      description:
        'Result of the last configuration reload (after a failure the previous configuration stays active) and of the last write to the log, the state file and the audit file, if there are such files.',
      unit: units.NoUnit,
      width: 8,
      queries: [
        { expr: `min(${series(CATALOG.config_last_reload_successful)})`, legend: 'configuration' },
        { expr: `min(${series(CATALOG.audit_last_write_successful)})`, legend: 'audit file' },
        { expr: `min(${series(CATALOG.state_last_write_successful)})`, legend: 'state file' },
        { expr: `min(${series(CATALOG.log_last_write_successful)})`, legend: 'log' },
      ],
      meanings: [SUCCESS],
      steps: [
        [null, 'red'],
        [1, 'green'],
      ],
    }),
    stat({
      title: 'Oldest listing',
      description: 'Age of the oldest successful listing of all routers.',
      unit: units.Seconds,
      width: 6,
      decimals: 0,
      queries: [{ expr: `max(${since(series(CATALOG.last_poll_timestamp_seconds))})`, legend: 'age' }],
      steps: [
        [null, 'text'],
        [60, 'orange'],
        [300, 'red'],
      ],
    }),
    timeline({
      title: 'Event streams',
      description: 'Event stream of each router. Without one, its models are listed every few seconds.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      queries: [
        { expr: max(['instance', 'router'], series(CATALOG.event_stream_connected)), legend: '{{router}}' },
      ],
      meanings: [
        meanings({ 0: { text: 'polling', color: 'orange' }, 1: { text: 'connected', color: 'green' } }),
      ],
    }),
    timeline({
      title: 'Collectors',
      description: 'Whether each memory source could be read. Absent hardware is not a failure.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      queries: [
        {
          expr: `min by (instance, collector) (${series(CATALOG.collector_success)})`,
          legend: '{{collector}} {{instance}}',
        },
      ],
      meanings: [SUCCESS],
    }),
    graph({
      title: 'Faults',
      description: 'Failed listings by fault, and reconnects of event streams.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      draw: 'bars',
      queries: [
        {
          expr: `${events(CATALOG.poll_errors_total, ['router', 'fault'])} > 0`,
          legend: '{{router}} {{fault}}',
        },
        {
          expr: `${events(CATALOG.event_stream_reconnects_total, ['router'])} > 0`,
          legend: '{{router}} reconnect',
        },
      ],
      colors: { '/./': 'red', '/reconnect$/': 'orange' },
      empty: 'No faults.',
    }),
    graph({
      title: 'Events',
      description: 'Events received per second, by name.',
      unit: units.EventsPerSecond,
      width: 8,
      draw: 'areas',
      queries: [{ expr: rate(CATALOG.events_total, ['event']), legend: '{{event}}' }],
    }),
    graph({
      title: 'Listing duration',
      description: 'Mean duration of a full listing, including failed attempts.',
      unit: units.Seconds,
      width: 8,
      draw: 'points',
      queries: [{ expr: mean(CATALOG.poll_duration_seconds, ['router']), legend: '{{router}}' }],
    }),
    graph({
      title: 'Scrape duration',
      description: 'Measured by Prometheus. The exporter itself needs a fraction of a millisecond.',
      unit: units.Seconds,
      width: 8,
      queries: [{ expr: max(INSTANCE, ofExporter(series(PROMETHEUS.scrapeDuration))), legend: NAMED }],
    }),
    graph({
      title: "Age of the models' own metrics",
      description:
        'Age of the oldest successful reading on each router. A model that does not answer keeps its last values for a while.',
      unit: units.Seconds,
      width: 6,
      queries: [
        { expr: max(['router'], series(CATALOG.model_engine_metrics_age_seconds)), legend: '{{router}}' },
      ],
    }),
    graph({
      title: 'Memory reading duration',
      description: 'Duration of the last reading of each source.',
      unit: units.Seconds,
      width: 6,
      queries: [
        { expr: max(['collector'], series(CATALOG.collector_duration_seconds)), legend: '{{collector}}' },
      ],
    }),
    graph({
      title: 'CPU',
      description: "CPU cores used by the exporter's process.",
      unit: units.Short,
      width: 6,
      queries: [
        {
          expr: sum(INSTANCE, ofExporter(`rate(${series(PROCESS.cpu)}[$__rate_interval])`)),
          legend: NAMED,
        },
      ],
    }),
    graph({
      title: 'Memory',
      description: "Resident memory and used heap of the exporter's process.",
      unit: units.BytesIEC,
      width: 6,
      queries: [
        { expr: sum(INSTANCE, ofExporter(series(PROCESS.residentMemory))), legend: '{{instance}} resident' },
        { expr: sum(INSTANCE, ofExporter(series(PROCESS.heapUsed))), legend: '{{instance}} heap' },
      ],
    }),
    table({
      title: 'Servers',
      height: 6,
      description:
        'What answers as each router: a llama-server or a llama-swap, its build, and the age of its last listing.',
      unit: units.NoUnit,
      width: 24,
      columns: [
        { name: 'router' },
        { name: 'instance', title: 'exporter' },
        { name: 'kind' },
        { name: 'build' },
      ],
      queries: [
        { expr: max(['instance', 'router', 'kind', 'build'], series(CATALOG.info)) },
        {
          expr: max(['instance', 'router'], since(series(CATALOG.last_poll_timestamp_seconds))),
          value: { name: 'listed', title: 'listing age', unit: units.Seconds },
        },
      ],
      sortBy: 'router',
      ascending: true,
    }),
  ],
});
