import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { dashboard } from './dashboard.ts';
import { FULL, fillGauge, graph, MEMORY_COLORS, stackedBars, stat, table } from './panels.ts';
import { inRange, max, ofCards, series, sum } from './promql.ts';
import { cardsByHolder, freeOfCards, gpuFill, heldByIdleModels, memoryByHolder } from './queries.ts';
import { RULES } from './series.ts';
import { UIDS } from './uids.ts';

const APART = ['instance', 'router', 'model'] as const;
const CARD = ['instance', 'gpu'] as const;
const POOL = ['instance', 'gpu', 'pool'] as const;

export const memory = dashboard({
  uid: UIDS.memory,
  title: 'Memory',
  description: 'GPU memory by model and other processes, and memory freed by unloads.',
  panels: [
    fillGauge({
      title: 'Used',
      description: 'Used fraction of each GPU, by any process. Above 90 % it counts as full.',
      unit: units.PercentUnit,
      width: 8,
      queries: [{ expr: max(CARD, gpuFill), legend: 'GPU {{gpu}} {{instance}}' }],
      steps: FULL,
    }),
    stat({
      title: 'Free',
      description: 'Free memory of all GPUs.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: sum([], freeOfCards), legend: 'free' }],
    }),
    stat({
      title: 'Idle models',
      description: 'GPU memory of models that are idle now, which an unload could free.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: heldByIdleModels, legend: 'idle' }],
    }),
    stat({
      title: 'Other processes',
      description: 'Used GPU memory that no router or model holds. Unloading models does not free it.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: sum([], ofCards(CATALOG.gpu_memory_unowned_bytes)), legend: 'other processes' }],
    }),
    stat({
      title: 'Freed',
      description: 'Memory freed by unload operations in the selected time range.',
      unit: units.BytesIEC,
      width: 4,
      queries: [{ expr: inRange(CATALOG.unload_freed_bytes_total, []), legend: 'freed' }],
    }),
    graph({
      title: 'By holder',
      description: 'Memory of all GPUs: by model, by routers themselves, and by other processes.',
      unit: units.BytesIEC,
      width: 14,
      height: 9,
      draw: 'areas',
      queries: [{ expr: memoryByHolder, legend: '{{holder}}' }],
      colors: MEMORY_COLORS,
    }),
    stackedBars({
      title: 'Each GPU now',
      description: 'Memory of each GPU: by model, by routers themselves, by other processes, and free.',
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
        'Used fraction of each GPU. Above the limit, idle models trigger an alert. The limit needs prometheus/rules.',
      unit: units.PercentUnit,
      width: 8,
      max: 1,
      queries: [
        { expr: max(CARD, gpuFill), legend: 'GPU {{gpu}} {{instance}}' },
        { expr: max([], RULES.fullFrom.name), legend: 'limit' },
      ],
      colors: { limit: 'orange' },
    }),
    graph({
      title: 'Used and total',
      description: 'Used and total memory by GPU and pool.',
      unit: units.BytesIEC,
      width: 8,
      queries: [
        {
          expr: sum(POOL, series(CATALOG.gpu_memory_used_bytes)),
          legend: 'GPU {{gpu}} {{pool}} {{instance}}',
        },
        {
          expr: sum(POOL, series(CATALOG.gpu_memory_total_bytes)),
          legend: 'GPU {{gpu}} {{pool}} {{instance}} total',
        },
      ],
      colors: { '/total$/': 'text' },
    }),
    graph({
      title: 'Other processes',
      description:
        'Memory of desktops, training jobs and forgotten processes. Missing while the memory of a model is unknown.',
      unit: units.BytesIEC,
      width: 8,
      queries: [
        {
          expr: sum(POOL, series(CATALOG.gpu_memory_unowned_bytes)),
          legend: 'GPU {{gpu}} {{pool}} {{instance}}',
        },
      ],
      colors: { '/./': 'orange' },
    }),
    graph({
      title: 'Freed by unloads',
      description: 'Memory freed by unload operations, measured before and after.',
      unit: units.BytesIEC,
      width: 10,
      draw: 'bars',
      queries: [
        {
          expr: sum(['router'], `increase(${series(CATALOG.unload_freed_bytes_total)}[$__rate_interval])`),
          legend: '{{router}}',
        },
      ],
    }),
    graph({
      title: 'Resident memory',
      description:
        "Resident memory of the models' processes including mapped weights, for routers on the exporter's machine.",
      unit: units.BytesIEC,
      width: 14,
      draw: 'areas',
      queries: [{ expr: sum(['model'], series(CATALOG.model_resident_memory_bytes)), legend: '{{model}}' }],
    }),
    table({
      title: 'Each model now',
      description: 'GPU memory and resident memory by model, compared with the size of its weights.',
      unit: units.BytesIEC,
      width: 24,
      columns: [{ name: 'model', width: 300 }, { name: 'router' }, { name: 'instance', title: 'exporter' }],
      queries: [
        {
          expr: sum(APART, series(CATALOG.model_gpu_memory_used_bytes)),
          value: { name: 'GPU', unit: units.BytesIEC },
        },
        {
          expr: sum(APART, series(CATALOG.model_resident_memory_bytes)),
          value: { name: 'resident', unit: units.BytesIEC },
        },
        {
          expr: `${max(APART, series(CATALOG.model_size_bytes))} and on (instance, router, model) ${series(CATALOG.model_resident_memory_bytes)}`,
          value: { name: 'weights', unit: units.BytesIEC },
        },
      ],
      sortBy: 'GPU',
    }),
  ],
});
