import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { dashboard } from './dashboard.ts';
import { fillGauge, graph, MEMORY_COLORS, stackedBars, stat, table } from './panels.ts';
import { inRange, max, series, sum } from './promql.ts';
import { cardsByHolder, gpuFill, heldWithoutWork, memoryByHolder } from './queries.ts';
import { RULES } from './series.ts';
import { FULL, UIDS } from './sisters.ts';

const APART = ['instance', 'router', 'model'] as const;
const POOL = ['instance', 'gpu', 'pool'] as const;
const free = `${series(CATALOG.gpuMemoryTotal)} - ${series(CATALOG.gpuMemoryUsed)}`;

export const memory = dashboard({
  uid: UIDS.memory,
  title: 'Memory',
  description: 'How full each GPU is, who holds it, and what an unload gives back.',
  panels: [
    fillGauge({
      title: 'In use',
      description: 'The used share of each GPU and pool, whoever uses it. From 90 % on it counts as full.',
      unit: units.PercentUnit,
      width: 8,
      queries: [{ expr: max(POOL, gpuFill), legend: 'GPU {{gpu}} {{pool}} {{instance}}' }],
      steps: FULL,
    }),
    stat({
      title: 'Free',
      description: 'What is left on all GPUs together.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: sum([], free), legend: 'free' }],
    }),
    stat({
      title: 'Held without work',
      description: 'GPU memory of models that have nothing to do at this moment: what an unload could free.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: heldWithoutWork, legend: 'idle' }],
    }),
    stat({
      title: 'Not ours',
      description:
        'GPU memory in use that no model of ours holds: unloading models does not help against that.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: sum([], series(CATALOG.gpuMemoryUnowned)), legend: 'not ours' }],
    }),
    stat({
      title: 'Freed',
      description: 'What became free by unload operations of this exporter, in the time that is shown.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: inRange(CATALOG.unloadFreed, []), legend: 'freed' }],
    }),
    graph({
      title: 'By holder',
      description: 'All GPUs together: what each model holds, and what is in use by something else.',
      unit: units.BytesIEC,
      width: 14,
      height: 9,
      draw: 'areas',
      queries: [{ expr: memoryByHolder, legend: '{{holder}}' }],
      colors: MEMORY_COLORS,
    }),
    stackedBars({
      title: 'Each GPU now',
      description: 'From end to end: models, what is in use by something else, and what is free.',
      unit: units.BytesIEC,
      width: 10,
      height: 9,
      expr: cardsByHolder,
      bar: 'card',
      part: 'holder',
      colors: MEMORY_COLORS,
    }),
    graph({
      title: 'Pressure',
      description:
        'The used share of each GPU. Above the line the alerts on full memory look for idle models; it is drawn where prometheus/rules are loaded.',
      unit: units.PercentUnit,
      width: 8,
      max: 1,
      queries: [
        { expr: max(POOL, gpuFill), legend: 'GPU {{gpu}} {{pool}} {{instance}}' },
        { expr: max([], RULES.fullFrom.name), legend: 'counts as full' },
      ],
      colors: { 'counts as full': 'orange' },
    }),
    graph({
      title: 'Used and total',
      description: 'In bytes, for each GPU and pool: what is in use, and all there is.',
      unit: units.BytesIEC,
      width: 8,
      queries: [
        { expr: sum(POOL, series(CATALOG.gpuMemoryUsed)), legend: 'GPU {{gpu}} {{pool}} {{instance}}' },
        {
          expr: sum(POOL, series(CATALOG.gpuMemoryTotal)),
          legend: 'GPU {{gpu}} {{pool}} {{instance}} total',
        },
      ],
      colors: { '/total$/': 'text' },
    }),
    graph({
      title: 'Not ours',
      description:
        'Desktops, training jobs, forgotten processes. Absent while the share of one of our models is not known.',
      unit: units.BytesIEC,
      width: 8,
      queries: [
        { expr: sum(POOL, series(CATALOG.gpuMemoryUnowned)), legend: 'GPU {{gpu}} {{pool}} {{instance}}' },
      ],
      colors: { '/./': 'orange' },
    }),
    graph({
      title: 'Freed by unloads',
      description:
        'What became free by unload operations of this exporter, as it was measured before and after.',
      unit: units.BytesIEC,
      width: 10,
      draw: 'bars',
      queries: [
        {
          expr: sum(['router'], `increase(${series(CATALOG.unloadFreed)}[$__rate_interval])`),
          legend: '{{router}}',
        },
      ],
    }),
    graph({
      title: 'Resident memory',
      description: "Of the models' processes, mapped weights included; of routers on the exporter's machine.",
      unit: units.BytesIEC,
      width: 14,
      draw: 'areas',
      queries: [{ expr: sum(['model'], series(CATALOG.modelResidentMemory)), legend: '{{model}}' }],
    }),
    table({
      title: 'Each model now',
      description:
        'What its process holds on GPUs and in the memory of the machine, beside the size of its weights.',
      unit: units.BytesIEC,
      width: 24,
      columns: [{ name: 'model', width: 300 }, { name: 'router' }, { name: 'instance', title: 'exporter' }],
      queries: [
        {
          expr: sum(APART, series(CATALOG.modelGpuMemory)),
          value: { name: 'GPU', unit: units.BytesIEC },
        },
        {
          expr: sum(APART, series(CATALOG.modelResidentMemory)),
          value: { name: 'resident', unit: units.BytesIEC },
        },
        {
          expr: `${max(APART, series(CATALOG.modelSize))} and on (instance, router, model) ${series(CATALOG.modelResidentMemory)}`,
          value: { name: 'weights', unit: units.BytesIEC },
        },
      ],
      sortBy: 'GPU',
    }),
  ],
});
