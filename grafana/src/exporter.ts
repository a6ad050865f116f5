import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { meanings } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, timeline } from './panels.ts';
import { events, max, mean, ofExporter, rate, series, since, sum } from './promql.ts';
import { PROCESS, PROMETHEUS } from './series.ts';
import { UIDS } from './sisters.ts';

const WELL = meanings({ 0: { text: 'failed', color: 'red' }, 1: { text: 'good', color: 'green' } });
const INSTANCE = ['instance'] as const;
const NAMED = '{{instance}}';

/** How much the rest of this dashboard can be believed. */
export const exporter = dashboard({
  uid: UIDS.exporter,
  title: 'Exporter',
  description: 'The exporter itself: whether it hears its routers, reads its sources, and what it costs.',
  panels: [
    stat({
      title: 'Exporters',
      description: 'Exporters that are scraped now, by version.',
      unit: units.NoUnit,
      width: 6,
      queries: [{ expr: `count by (version) (${series(CATALOG.buildInfo)})`, legend: 'v{{version}}' }],
    }),
    stat({
      title: 'Up for',
      description: 'Since the last of them was started.',
      unit: units.DurationSeconds,
      width: 4,
      queries: [{ expr: `min(${ofExporter(since(series(PROCESS.startTime)))})`, legend: 'up' }],
    }),
    stat({
      title: 'Configuration and audit',
      description:
        'Whether the last attempt to load the configuration succeeded (if not, the old one is in force), and the last write to the audit file, if there is one.',
      unit: units.NoUnit,
      width: 8,
      queries: [
        { expr: `min(${series(CATALOG.configReloadSuccessful)})`, legend: 'configuration' },
        { expr: `min(${series(CATALOG.auditSuccessful)})`, legend: 'audit file' },
      ],
      meanings: [WELL],
      steps: [
        [null, 'red'],
        [1, 'green'],
      ],
    }),
    stat({
      title: 'Oldest listing',
      description: 'Since the last successful listing of the router that has gone longest without one.',
      unit: units.Seconds,
      width: 6,
      decimals: 0,
      queries: [{ expr: `max(${since(series(CATALOG.lastPoll))})`, legend: 'age' }],
      steps: [
        [null, 'text'],
        [60, 'orange'],
        [300, 'red'],
      ],
    }),
    timeline({
      title: 'Event streams',
      description:
        'Whether the event stream of each router stands. Without one its models are listed every few seconds.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      queries: [{ expr: max(['instance', 'router'], series(CATALOG.streamConnected)), legend: '{{router}}' }],
      meanings: [
        meanings({ 0: { text: 'polling', color: 'orange' }, 1: { text: 'connected', color: 'green' } }),
      ],
    }),
    timeline({
      title: 'Collectors',
      description: 'Whether each source of memory could be read. Hardware that is not there is no failure.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      queries: [
        {
          expr: `min by (instance, collector) (${series(CATALOG.collectorSuccess)})`,
          legend: '{{collector}} {{instance}}',
        },
      ],
      meanings: [WELL],
    }),
    graph({
      title: 'Faults',
      description: 'Listings that failed, by fault, and attempts to connect a lost event stream again.',
      unit: units.NoUnit,
      width: 8,
      height: 7,
      draw: 'bars',
      queries: [
        { expr: `${events(CATALOG.pollErrors, ['router', 'fault'])} > 0`, legend: '{{router}} {{fault}}' },
        { expr: `${events(CATALOG.streamReconnects, ['router'])} > 0`, legend: '{{router}} reconnect' },
      ],
      colors: { '/./': 'red', '/reconnect$/': 'orange' },
      empty: 'No faults.',
    }),
    graph({
      title: 'Events',
      description: 'Events from the routers in a second, by name.',
      unit: units.EventsPerSecond,
      width: 8,
      draw: 'areas',
      queries: [{ expr: rate(CATALOG.events, ['event']), legend: '{{event}}' }],
    }),
    graph({
      title: 'Time of a listing',
      description: 'Mean time to get a full listing from a router, failed attempts included.',
      unit: units.Seconds,
      width: 8,
      draw: 'points',
      queries: [{ expr: mean(CATALOG.pollDuration, ['router']), legend: '{{router}}' }],
    }),
    graph({
      title: 'Time of a scrape',
      description: 'As Prometheus measures it. The exporter itself takes a fraction of a millisecond.',
      unit: units.Seconds,
      width: 8,
      queries: [{ expr: max(INSTANCE, ofExporter(series(PROMETHEUS.scrapeDuration))), legend: NAMED }],
    }),
    graph({
      title: "Age of the models' own metrics",
      description:
        'Of the oldest good reading on each router. A model that does not answer keeps its last values for a while.',
      unit: units.Seconds,
      width: 6,
      queries: [{ expr: max(['router'], series(CATALOG.engineAge)), legend: '{{router}}' }],
    }),
    graph({
      title: 'Time of a reading of memory',
      description: 'How long the last reading of each source took.',
      unit: units.Seconds,
      width: 6,
      queries: [{ expr: max(['collector'], series(CATALOG.collectorDuration)), legend: '{{collector}}' }],
    }),
    graph({
      title: 'CPU',
      description: "Cores that the exporter's process keeps busy.",
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
      description: "Resident memory of the exporter's process, and its heap that is in use.",
      unit: units.BytesIEC,
      width: 6,
      queries: [
        { expr: sum(INSTANCE, ofExporter(series(PROCESS.residentMemory))), legend: '{{instance}} resident' },
        { expr: sum(INSTANCE, ofExporter(series(PROCESS.heapUsed))), legend: '{{instance}} heap' },
      ],
    }),
  ],
});
