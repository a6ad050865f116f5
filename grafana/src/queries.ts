import { CATALOG } from '../../src/metrics/catalog.ts';
import { CAUSES } from '../../src/models/usage.ts';
import { STATUSES } from './colors.ts';
import { events, IN_MEMORY, max, ofCards, series, sum, withCard } from './promql.ts';

/** The status of each model as a number: see STATUS_CODES. */
export const statusCode = sum(
  ['instance', 'router', 'model'],
  STATUSES.map(({ status }, code) => `${series(CATALOG.model_status, { status })} * ${code}`).join(' or '),
);

/** Models with a process, by status. */
export const modelsInMemory = sum(['status'], series(CATALOG.models, { status: IN_MEMORY }));

/** Used fraction of each GPU's memory. */
export const gpuFill = `${ofCards(CATALOG.gpu_memory_used_bytes)} / (${ofCards(CATALOG.gpu_memory_total_bytes)} > 0)`;

const ofModels = sum(
  ['instance', 'gpu_uuid', 'holder'],
  `label_replace(${series(CATALOG.model_gpu_memory_used_bytes)}, "holder", "$1", "model", "(.+)")`,
);

/** Free memory of each GPU. */
export const freeOfCards = `${ofCards(CATALOG.gpu_memory_total_bytes)} - ${ofCards(CATALOG.gpu_memory_used_bytes)}`;

const free = sum(['instance', 'gpu_uuid'], freeOfCards);

const otherProcesses = sum(['instance', 'gpu_uuid'], ofCards(CATALOG.gpu_memory_unowned_bytes));

const ofRouters = sum(['instance', 'gpu_uuid'], series(CATALOG.process_gpu_memory_used_bytes));

const held = `${ofModels} or ${as('routers', ofRouters)} or ${as('other processes', otherProcesses)}`;

/** Memory of all GPUs by holder. */
export const memoryByHolder = sum(['holder'], held);

/** Memory of each GPU by holder, and free memory. */
export const cardsByHolder = sum(['card', 'holder'], withCard(`${held} or ${as('free', free)}`));

/** GPU memory of idle models; models with an unknown state are left out. */
export const heldByIdleModels = sum(
  [],
  `${sum(['instance', 'router', 'model'], series(CATALOG.model_gpu_memory_used_bytes))} * (1 - ${max(['instance', 'router', 'model'], series(CATALOG.model_busy))})`,
);

const reloadsByClients = `increase(${series(CATALOG.model_reloads_after_unload_total, {
  unload_reason: 'requested',
  cause: CAUSES.filter((cause) => cause !== 'restore').join('|'),
})}[$__rate_interval])`;

const wasHeld = `on (instance, router) max_over_time(${series(CATALOG.hold_active)}[$__rate_interval]) == 1`;

/** Loads in each step of a graph, of models that the exporter unloaded before, by their relation to holds. */
export const loadsAroundHolds = [
  { expr: `round(${sum([], `${reloadsByClients} and ${wasHeld}`)})`, legend: 'during a hold' },
  { expr: events(CATALOG.restored_models_total, [], { result: 'loaded' }), legend: 'restored after a hold' },
  { expr: `round(${sum([], `${reloadsByClients} unless ${wasHeld}`)})`, legend: 'otherwise' },
];

function as(holder: string, expr: string): string {
  return `label_replace(${expr}, "holder", "${holder}", "", "")`;
}
