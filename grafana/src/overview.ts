import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { meanings, REASONS, STATUSES } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { dashboardLink, runbookLink } from './links.ts';
import { FULL, fillGauge, graph, MEMORY_COLORS, stackedBars, stat, table } from './panels.ts';
import { events, IN_MEMORY, inRange, max, ofModelsInMemory, series, since, sum } from './promql.ts';
import { cardsByHolder, gpuFill, modelsInMemory } from './queries.ts';
import { PROMETHEUS } from './series.ts';
import { UIDS } from './uids.ts';

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

/** Not filtered by the variables: alerts may lack these labels, and memory alerts can come from other exporters. */
const firing = `${PROMETHEUS.alerts.name}{alertname=~"LlamaRouter.+", alertstate="firing"}`;

/** One model of one router. */
const APART = ['instance', 'router', 'model'] as const;
const ROUTER = { name: 'router', width: 100 };
const EXPORTER = { name: 'instance', title: 'exporter', width: 140 };

/** Unloads by model and reason; these labels identify the rows of the table. */
const unloaded = `${inRange(CATALOG.model_unloads_total, [...APART, 'reason'])} > 0`;
const unloadedAt = `(${unloaded}) * 0 + on (instance, router, model) group_left () ${max(
  APART,
  `${series(CATALOG.model_status_since_timestamp_seconds)} and on (instance, router, model) ${series(CATALOG.model_status, { status: 'unloaded' })} == 1`,
)} * 1000`;

export const overview = dashboard({
  uid: UIDS.overview,
  title: 'Overview',
  description: 'Models and GPU memory now, and recent loads, unloads and alerts.',
  panels: [
    stat({
      title: 'Routers',
      description:
        'Routers and llama-swaps that answered the last listing, and those that did not. The state of models on one that is down is unknown.',
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
      description:
        'By status. A sleeping model keeps its process and part of its memory; an unloading one keeps both until its process has ended (llama-swap).',
      unit: units.NoUnit,
      width: 7,
      queries: [{ expr: modelsInMemory, legend: '{{status}}' }],
      colors: STATUS_COLORS,
      link: dashboardLink('Model', UIDS.model),
    }),
    fillGauge({
      title: 'GPU memory in use',
      description: 'Used fraction of each GPU, by any process. Full memory is normal while models are busy.',
      unit: units.PercentUnit,
      width: 5,
      queries: [{ expr: max(['instance', 'gpu'], gpuFill), legend: 'GPU {{gpu}} {{instance}}' }],
      steps: FULL,
      link: dashboardLink('Memory', UIDS.memory),
    }),
    stat({
      title: 'Held routers',
      description: 'Routers with an active hold: a proxy that asks the gate rejects requests.',
      unit: units.NoUnit,
      width: 4,
      queries: [{ expr: sum([], series(CATALOG.hold_active)), legend: 'held' }],
      steps: [
        [null, 'text'],
        [1, 'orange'],
      ],
      link: dashboardLink('Operations', UIDS.operations),
    }),
    stat({
      title: 'Alerts',
      description:
        'Firing alerts of prometheus/rules, for all routers. Also 0 if those rules are not loaded.',
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
        'Models with a process: status, duration, activity and GPU memory. The duration is unknown for models that were loaded before the exporter started.',
      unit: units.NoUnit,
      width: 16,
      columns: [{ name: 'model' }, ROUTER, EXPORTER, { name: 'status', meanings: [STATUS_WORDS], width: 90 }],
      queries: [
        {
          expr: `${max(['instance', 'router', 'model', 'status'], series(CATALOG.model_status, { status: IN_MEMORY }))} == 1`,
        },
        {
          expr: max(APART, ofModelsInMemory(since(series(CATALOG.model_status_since_timestamp_seconds)))),
          value: { name: 'for', unit: units.DurationSeconds, width: 110 },
        },
        {
          expr: max(APART, series(CATALOG.model_busy)),
          value: { name: 'activity', meanings: [BUSY], width: 70 },
        },
        {
          expr: sum(APART, series(CATALOG.model_gpu_memory_used_bytes)),
          value: { name: 'GPU memory', unit: units.BytesIEC, width: 130 },
        },
      ],
      sortBy: 'GPU memory',
    }),
    stackedBars({
      title: 'GPU memory by holder',
      description: 'Memory of each GPU: by model, by other processes, and free.',
      unit: units.BytesIEC,
      width: 8,
      expr: cardsByHolder,
      bar: 'card',
      part: 'holder',
      colors: MEMORY_COLORS,
    }),
    graph({
      title: 'Models by status',
      description: 'Number of models by status. Gaps: no router answered.',
      unit: units.NoUnit,
      width: 8,
      draw: 'areas',
      queries: [{ expr: modelsInMemory, legend: '{{status}}' }],
      colors: STATUS_COLORS,
    }),
    graph({
      title: 'Loads and reloads',
      description:
        'Completed loads, and reloads soon after an unload. Many reloads mean that unloading frees memory only for a short time.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      stacked: false,
      queries: [
        { expr: events(CATALOG.model_loads_total, []), legend: 'loads' },
        { expr: events(CATALOG.model_reloads_after_unload_total, []), legend: 'reloads' },
        { expr: events(CATALOG.model_load_failures_total, []), legend: 'failed' },
      ],
      colors: { loads: 'green', reloads: 'yellow', failed: 'red' },
    }),
    graph({
      title: 'Unloads by reason',
      description:
        'Reasons: requested, by this exporter; external, by another program; evicted, to make room for another model; expired, at the end of the ttl of llama-swap; crashed, when the process exited with an error, or unasked; unknown, when it was not observed.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.model_unloads_total, ['reason']), legend: '{{reason}}' }],
      colors: REASONS,
    }),
    table({
      title: 'Last unloads',
      description:
        'Models unloaded in the selected time range: reason, count and last time. The time is empty for models that are in memory again.',
      unit: units.NoUnit,
      width: 13,
      columns: [{ name: 'model' }, ROUTER, EXPORTER, { name: 'reason', meanings: [REASON_WORDS], width: 90 }],
      queries: [
        { expr: unloaded, value: { name: 'times', width: 60 } },
        { expr: unloadedAt, value: { name: 'last unload', unit: units.DateTimeFromNow, width: 150 } },
      ],
      sortBy: 'last unload',
    }),
    table({
      title: 'Firing alerts',
      description: 'Alerts of prometheus/rules for all routers. The runbook says what to do.',
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
