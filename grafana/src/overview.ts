import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { meanings, REASONS, STATUSES } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { dashboardLink, runbookLink } from './links.ts';
import { fillGauge, graph, MEMORY_COLORS, stackedBars, stat, table } from './panels.ts';
import { events, inRange, max, ofModelsInMemory, series, since, sum } from './promql.ts';
import { cardsByHolder, gpuFill, modelsInMemory } from './queries.ts';
import { PROMETHEUS } from './series.ts';
import { FULL, UIDS } from './sisters.ts';

const STATUS_COLORS = Object.fromEntries(STATUSES.map(({ status, color }) => [status, color]));
const STATUS_WORDS = meanings(
  Object.fromEntries(STATUSES.map(({ status, color }) => [status, { text: status, color }])),
);
const REASON_WORDS = meanings(
  Object.fromEntries(Object.entries(REASONS).map(([reason, color]) => [reason, { text: reason, color }])),
);
const BUSY = meanings({
  0: { text: 'idle', color: 'text' },
  1: { text: 'busy', color: 'green' },
});
const SEVERITIES = meanings({
  critical: { text: 'critical', color: 'red' },
  warning: { text: 'warning', color: 'orange' },
  info: { text: 'info', color: 'blue' },
});

/** Whatever is chosen: an alert need not have any of these labels, and those on memory come from other exporters too. */
const firing = `${PROMETHEUS.alerts.name}{alertname=~"LlamaRouter.+", alertstate="firing"}`;

/** One model in one place. */
const APART = ['instance', 'router', 'model'] as const;
const ROUTER = { name: 'router', width: 100 };
const EXPORTER = { name: 'instance', title: 'exporter', width: 140 };

/** Which models went, and why; the labels of the table's rows. */
const gone = `${inRange(CATALOG.modelUnloads, [...APART, 'reason'])} > 0`;
const goneAt = `(${gone}) * 0 + on (instance, router, model) group_left () ${max(
  APART,
  `${series(CATALOG.modelStatusSince)} and on (instance, router, model) ${series(CATALOG.modelStatus, { status: 'unloaded' })} == 1`,
)} * 1000`;

export const overview = dashboard({
  uid: UIDS.overview,
  title: 'Overview',
  description: 'What is in memory now, since when, at whose cost, and what happened lately.',
  panels: [
    stat({
      title: 'Routers',
      description:
        'How many routers answered the last listing, and how many did not. Of a router that is down nothing is known.',
      unit: units.NoUnit,
      width: 4,
      queries: [
        { expr: sum([], series(CATALOG.up)), legend: 'up' },
        { expr: `count(${series(CATALOG.up)}) - sum(${series(CATALOG.up)})`, legend: 'down' },
      ],
      colors: { up: 'green' },
      steps: [
        [null, 'text'],
        [1, 'red'],
      ],
    }),
    stat({
      title: 'Models in memory',
      description: 'By status. A sleeping model keeps its process and a part of its memory.',
      unit: units.NoUnit,
      width: 7,
      queries: [{ expr: modelsInMemory, legend: '{{status}}' }],
      colors: STATUS_COLORS,
      link: dashboardLink('Model', UIDS.model),
    }),
    fillGauge({
      title: 'GPU memory in use',
      description:
        'The used share of each GPU, whoever uses it. Full is how such a machine should be, if models are busy.',
      unit: units.PercentUnit,
      width: 5,
      queries: [
        { expr: max(['instance', 'gpu', 'pool'], gpuFill), legend: 'GPU {{gpu}} {{pool}} {{instance}}' },
      ],
      steps: FULL,
      link: dashboardLink('Memory', UIDS.memory),
    }),
    stat({
      title: 'Held routers',
      description:
        'Routers whose memory is to be kept free now: a proxy that asks the gate refuses requests.',
      unit: units.NoUnit,
      width: 4,
      queries: [{ expr: sum([], series(CATALOG.holdActive)), legend: 'held' }],
      steps: [
        [null, 'text'],
        [1, 'orange'],
      ],
      link: dashboardLink('Operations', UIDS.operations),
    }),
    stat({
      title: 'Alerts',
      description:
        'Alerts of prometheus/rules that are firing, of all routers. 0 also where those rules are not loaded.',
      unit: units.NoUnit,
      width: 4,
      queries: [{ expr: `count(${firing}) or vector(0)`, legend: 'firing' }],
      steps: [
        [null, 'text'],
        [1, 'orange'],
      ],
      link: runbookLink(),
    }),
    table({
      title: 'In memory now',
      description:
        'Every model that has a process: its status and for how long, whether it has anything to do, and the GPU memory it holds. No time is told for a model that was there when the exporter came.',
      unit: units.NoUnit,
      width: 16,
      columns: [{ name: 'model' }, ROUTER, EXPORTER, { name: 'status', meanings: [STATUS_WORDS], width: 90 }],
      queries: [
        {
          expr: `${max(['instance', 'router', 'model', 'status'], series(CATALOG.modelStatus, { status: 'loading|loaded|sleeping' }))} == 1`,
        },
        {
          expr: max(APART, ofModelsInMemory(since(series(CATALOG.modelStatusSince)))),
          value: { name: 'for', unit: units.DurationSeconds, width: 110 },
        },
        {
          expr: max(APART, series(CATALOG.modelBusy)),
          value: { name: 'work', meanings: [BUSY], width: 70 },
        },
        {
          expr: sum(APART, series(CATALOG.modelGpuMemory)),
          value: { name: 'GPU memory', unit: units.BytesIEC, width: 130 },
        },
      ],
      sortBy: 'GPU memory',
    }),
    stackedBars({
      title: 'GPU memory by holder',
      description:
        'Each GPU, from end to end: what every model holds, what is in use by something else, and what is free.',
      unit: units.BytesIEC,
      width: 8,
      expr: cardsByHolder,
      bar: 'card',
      part: 'holder',
      colors: MEMORY_COLORS,
    }),
    graph({
      title: 'Models by status',
      description: 'How many models were in each status. A gap: no router answered.',
      unit: units.NoUnit,
      width: 8,
      draw: 'areas',
      queries: [{ expr: modelsInMemory, legend: '{{status}}' }],
      colors: STATUS_COLORS,
    }),
    graph({
      title: 'Loads and reloads',
      description:
        'Loads that were completed, and those of them that came soon after an unload: many of these mean that the unload was for nothing.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      stacked: false,
      queries: [
        { expr: events(CATALOG.modelLoads, []), legend: 'loads' },
        { expr: events(CATALOG.modelReloads, []), legend: 'of them reloads' },
        { expr: events(CATALOG.modelLoadFailures, []), legend: 'failed' },
      ],
      colors: { loads: 'green', 'of them reloads': 'yellow', failed: 'red' },
    }),
    graph({
      title: 'Unloads by reason',
      description:
        'Why models went: requested, by this exporter; external, by somebody else; evicted, the router was full; crashed, the process ended with an error.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.modelUnloads, ['reason']), legend: '{{reason}}' }],
      colors: REASONS,
    }),
    table({
      title: 'Last unloads',
      description:
        'Models that were unloaded in the time that is shown: why, how often, and when last. No time is told for a model that is back in memory.',
      unit: units.NoUnit,
      width: 13,
      columns: [{ name: 'model' }, ROUTER, EXPORTER, { name: 'reason', meanings: [REASON_WORDS], width: 90 }],
      queries: [
        { expr: gone, value: { name: 'times', width: 60 } },
        { expr: goneAt, value: { name: 'gone since', unit: units.DateTimeFromNow, width: 150 } },
      ],
      sortBy: 'gone since',
    }),
    table({
      title: 'Firing alerts',
      description:
        'Of prometheus/rules, of all routers; the runbook says what each means and what to do. Empty is good.',
      unit: units.NoUnit,
      width: 11,
      columns: [
        { name: 'severity', meanings: [SEVERITIES], width: 75 },
        { name: 'alertname', title: 'alert', width: 240 },
        { name: 'model', width: 110 },
        { ...ROUTER, width: 80 },
        { ...EXPORTER, width: 115 },
      ],
      queries: [{ expr: max(['severity', 'alertname', 'instance', 'router', 'model'], firing) }],
      sortBy: 'severity',
      ascending: true,
      empty: 'No alert is firing.',
      link: runbookLink(),
    }),
  ],
});
