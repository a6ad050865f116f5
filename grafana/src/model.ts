import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { REASONS, STATUS_CODES } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, table, timeline } from './panels.ts';
import { events, inRange, max, mean, min, ofModelsInMemory, rate, series, since, sum } from './promql.ts';
import { statusCode } from './queries.ts';
import { ENGINE } from './series.ts';
import { UIDS } from './sisters.ts';

/** A model of several routers is drawn as one; a timeline and a table keep them apart. */
const ONE = ['model'] as const;
const APART = ['instance', 'router', 'model'] as const;
const NAMED = '{{model}}';

export const model = dashboard({
  uid: UIDS.model,
  title: 'Model',
  description: 'The life of the models that are chosen: when they were there, what they did, what that took.',
  panels: [
    timeline({
      title: 'Status',
      description: 'The life of each model. A gap: its router did not answer, or did not have the model.',
      unit: units.NoUnit,
      width: 24,
      height: 7,
      queries: [{ expr: statusCode, legend: '{{model}} · {{router}}' }],
      meanings: [STATUS_CODES],
    }),
    stat({
      title: 'In the time that is shown',
      description:
        'What happened, all chosen models together. A wake is no load, and a reload is one of the loads.',
      unit: units.NoUnit,
      width: 24,
      queries: [
        { expr: inRange(CATALOG.modelLoads, []), legend: 'loads' },
        { expr: inRange(CATALOG.modelReloads, []), legend: 'reloads' },
        { expr: inRange(CATALOG.modelLoadFailures, []), legend: 'failed loads' },
        { expr: inRange(CATALOG.modelUnloads, []), legend: 'unloads' },
        { expr: inRange(CATALOG.modelUnloads, [], { reason: 'crashed' }), legend: 'crashes' },
        { expr: inRange(CATALOG.modelSleeps, []), legend: 'sleeps' },
      ],
      colors: { 'failed loads': 'red', crashes: 'red' },
    }),
    graph({
      title: 'Generated tokens',
      description:
        "Tokens a second. llama.cpp counts them when a request ends. Needs llama-server's --metrics, like all that follows on requests.",
      unit: units.Short,
      width: 8,
      height: 9,
      queries: [{ expr: rate(ENGINE.generatedTokens, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Prompt tokens',
      description:
        'Tokens of prompts a second that had to be processed; those of the cache are not among them.',
      unit: units.Short,
      width: 8,
      height: 9,
      queries: [{ expr: rate(ENGINE.promptTokens, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Speed of generating',
      description:
        'Tokens for each second that was spent on generating them: how fast it feels to one client.',
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
      description: 'Requests that each model is serving, and those of all that wait for a slot.',
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
      title: 'Idle for',
      description:
        'Time since the model last did anything, while it is in memory. An idle policy goes by this.',
      unit: units.DurationInHoursMinutesSeconds,
      width: 8,
      height: 9,
      queries: [
        {
          expr: min(ONE, ofModelsInMemory(since(series(CATALOG.modelLastActivity)))),
          legend: NAMED,
        },
      ],
    }),
    graph({
      title: 'Load time',
      description: 'Mean time from the start of a load to its completion, where there were any.',
      unit: units.Seconds,
      width: 8,
      height: 9,
      draw: 'points',
      queries: [{ expr: mean(CATALOG.modelLoadDuration, ONE), legend: NAMED }],
    }),
    graph({
      title: 'Unloads by reason',
      description: 'Why the model went, each time it did.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.modelUnloads, ['reason']), legend: '{{reason}}' }],
      colors: REASONS,
    }),
    graph({
      title: 'Failures',
      description: 'Loads that failed, and processes that ended with an error.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        { expr: `${events(CATALOG.modelLoadFailures, ONE)} > 0`, legend: '{{model}} load failed' },
        {
          expr: `${events(CATALOG.modelUnloads, ONE, { reason: 'crashed' })} > 0`,
          legend: '{{model}} crashed',
        },
      ],
      colors: { '/load failed$/': 'orange', '/crashed$/': 'red' },
      empty: 'No failures.',
    }),
    graph({
      title: 'Sleeps and wakes',
      description:
        'How often models fell asleep because they were idle, and woke: a wake takes a part of a load.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        { expr: events(CATALOG.modelSleeps, []), legend: 'sleeps' },
        { expr: events(CATALOG.modelWakes, []), legend: 'wakes' },
      ],
      colors: { sleeps: 'purple', wakes: 'green' },
    }),
    graph({
      title: 'GPU memory',
      description: "What the models' processes hold on all GPUs.",
      unit: units.BytesIEC,
      width: 12,
      draw: 'areas',
      queries: [{ expr: sum(ONE, series(CATALOG.modelGpuMemory)), legend: NAMED }],
    }),
    graph({
      title: 'CPU',
      description: "How many cores the models' processes keep busy; of routers on the exporter's machine.",
      unit: units.Short,
      width: 12,
      queries: [{ expr: rate(CATALOG.modelCpu, ONE), legend: NAMED }],
    }),
    table({
      title: 'What they are',
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
        { expr: max([...APART, 'quantization', 'source'], series(CATALOG.modelInfo)) },
        {
          expr: max(APART, series(CATALOG.modelSize)),
          value: { name: 'size', title: 'weights', unit: units.BytesIEC },
        },
        {
          expr: max(APART, series(CATALOG.modelParameters)),
          value: { name: 'parameters', unit: units.Short },
        },
        { expr: max(APART, series(CATALOG.modelContext)), value: { name: 'context', unit: units.NoUnit } },
      ],
      sortBy: 'weights',
    }),
  ],
});
