import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { REASONS, STATUS_CODES } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, table, timeline } from './panels.ts';
import { events, inRange, max, mean, min, ofModelsInMemory, rate, series, since, sum } from './promql.ts';
import { statusCode } from './queries.ts';
import { ENGINE } from './series.ts';
import { UIDS } from './uids.ts';

/** Graphs combine a model of several routers; timelines and tables separate them. */
const ONE = ['model'] as const;
const APART = ['instance', 'router', 'model'] as const;
const NAMED = '{{model}}';

export const model = dashboard({
  uid: UIDS.model,
  title: 'Model',
  description: 'History of the selected models: status, loads, requests, memory and failures.',
  panels: [
    timeline({
      title: 'Status',
      description: 'Status of each model. Gaps: its router did not answer or did not list the model.',
      unit: units.NoUnit,
      width: 24,
      height: 7,
      queries: [{ expr: statusCode, legend: '{{model}} · {{router}}' }],
      meanings: [STATUS_CODES],
    }),
    stat({
      title: 'In the selected time range',
      description: 'Totals of all selected models. Waking up is not a load; reloads are included in loads.',
      unit: units.NoUnit,
      width: 24,
      queries: [
        { expr: inRange(CATALOG.model_loads_total, []), legend: 'loads' },
        { expr: inRange(CATALOG.model_reloads_after_unload_total, []), legend: 'reloads' },
        { expr: inRange(CATALOG.model_load_failures_total, []), legend: 'failed loads' },
        { expr: inRange(CATALOG.model_unloads_total, []), legend: 'unloads' },
        { expr: inRange(CATALOG.model_unloads_total, [], { reason: 'crashed' }), legend: 'crashes' },
        { expr: inRange(CATALOG.model_sleeps_total, []), legend: 'sleeps' },
      ],
      colors: { 'failed loads': 'red', crashes: 'red' },
    }),
    graph({
      title: 'Generated tokens',
      description:
        "Tokens per second, counted when a request ends. Needs --metrics of llama-server, and below llama-swap the models' ports, like the other request panels.",
      unit: units.Short,
      width: 8,
      height: 9,
      queries: [{ expr: rate(ENGINE.generatedTokens, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Prompt tokens',
      description: 'Processed prompt tokens per second, without tokens from the cache.',
      unit: units.Short,
      width: 8,
      height: 9,
      queries: [{ expr: rate(ENGINE.promptTokens, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Generation speed',
      description: 'Tokens per second of generation time: the speed that one client sees.',
      unit: units.Short,
      width: 8,
      height: 9,
      draw: 'points',
      queries: [
        {
          expr: `${rate(ENGINE.generatedTokens, ONE)} / (${rate(ENGINE.generatingSeconds, ONE)} > 0)`,
          legend: NAMED,
        },
      ],
    }),
    graph({
      title: 'Requests',
      description: 'Requests in progress by model, and all requests that wait for a slot.',
      unit: units.NoUnit,
      width: 8,
      height: 9,
      draw: 'areas',
      queries: [
        { expr: sum(ONE, series(ENGINE.requestsProcessing)), legend: NAMED },
        { expr: `${sum([], series(ENGINE.requestsDeferred))} > 0`, legend: 'waiting' },
      ],
      colors: { waiting: 'text' },
    }),
    graph({
      title: 'Idle time',
      description: 'Time since the last activity of models in memory. The idle policy uses it.',
      unit: units.DurationInHoursMinutesSeconds,
      width: 8,
      height: 9,
      queries: [
        {
          expr: min(ONE, ofModelsInMemory(since(series(CATALOG.model_last_activity_timestamp_seconds)))),
          legend: NAMED,
        },
      ],
    }),
    graph({
      title: 'Load time',
      description: 'Mean duration of completed loads.',
      unit: units.Seconds,
      width: 8,
      height: 9,
      draw: 'points',
      queries: [{ expr: mean(CATALOG.model_load_duration_seconds, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Unloads by reason',
      description: 'Unloads of the selected models by reason.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.model_unloads_total, ['reason']), legend: '{{reason}}' }],
      colors: REASONS,
    }),
    graph({
      title: 'Failures',
      description:
        'Failed loads, processes that exited with an error or unasked, and processes that did not stop in time and were killed.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        { expr: `${events(CATALOG.model_load_failures_total, ONE)} > 0`, legend: '{{model}} load failed' },
        {
          expr: `${events(CATALOG.model_unloads_total, ONE, { reason: 'crashed' })} > 0`,
          legend: '{{model}} crashed',
        },
        { expr: `${events(CATALOG.model_forced_stops_total, ONE)} > 0`, legend: '{{model}} killed' },
      ],
      colors: { '/load failed$/': 'orange', '/crashed$/': 'red', '/killed$/': 'purple' },
      empty: 'No failures.',
    }),
    graph({
      title: 'Sleeps and wakes',
      description:
        'Models that fell asleep because they were idle, and models that woke up. Waking up is faster than a load.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        { expr: events(CATALOG.model_sleeps_total, []), legend: 'sleeps' },
        { expr: events(CATALOG.model_wakes_total, []), legend: 'wakes' },
      ],
      colors: { sleeps: 'purple', wakes: 'green' },
    }),
    graph({
      title: 'GPU memory',
      description: "GPU memory of the models' processes on all GPUs.",
      unit: units.BytesIEC,
      width: 12,
      draw: 'areas',
      queries: [{ expr: sum(ONE, series(CATALOG.model_gpu_memory_used_bytes)), legend: NAMED }],
    }),
    graph({
      title: 'CPU',
      description: "CPU cores used by the models' processes, for routers on the exporter's machine.",
      unit: units.Short,
      width: 12,
      queries: [{ expr: rate(CATALOG.model_cpu_seconds_total, ONE), legend: NAMED }],
    }),
    table({
      title: 'Model details',
      description: 'Size, parameters and context are known after the first load.',
      unit: units.NoUnit,
      width: 24,
      columns: [
        { name: 'model', width: 300 },
        { name: 'router' },
        { name: 'instance', title: 'exporter' },
        { name: 'quantization' },
        { name: 'source' },
      ],
      queries: [
        { expr: max([...APART, 'quantization', 'source'], series(CATALOG.model_info)) },
        {
          expr: max(APART, series(CATALOG.model_size_bytes)),
          value: { name: 'size', title: 'weights', unit: units.BytesIEC },
        },
        {
          expr: max(APART, series(CATALOG.model_parameters)),
          value: { name: 'parameters', unit: units.Short },
        },
        {
          expr: max(APART, series(CATALOG.model_context_tokens)),
          value: { name: 'context', unit: units.NoUnit },
        },
      ],
      sortBy: 'weights',
    }),
  ],
});
