import { CATALOG } from '../../src/metrics/catalog.ts';
import { STATUSES } from './colors.ts';
import { max, series, sum, withCard } from './promql.ts';

/** The status of each model as a number: see STATUS_CODES. */
export const statusCode = sum(
  ['instance', 'router', 'model'],
  STATUSES.map(({ status }, code) => `${series(CATALOG.modelStatus, { status })} * ${code}`).join(' or '),
);

/** Models that are loading or in memory, by status. */
export const modelsInMemory = sum(['status'], series(CATALOG.models, { status: 'loading|loaded|sleeping' }));

/** Used fraction of each GPU's memory. */
export const gpuFill = `${series(CATALOG.gpuMemoryUsed)} / (${series(CATALOG.gpuMemoryTotal)} > 0)`;

const ofModels = sum(
  ['instance', 'gpu_uuid', 'holder'],
  `label_replace(${series(CATALOG.modelGpuMemory)}, "holder", "$1", "model", "(.+)")`,
);

const free = sum(
  ['instance', 'gpu_uuid'],
  `${series(CATALOG.gpuMemoryTotal)} - ${series(CATALOG.gpuMemoryUsed)}`,
);

const otherProcesses = sum(['instance', 'gpu_uuid'], series(CATALOG.gpuMemoryUnowned));

const held = `${ofModels} or ${as('other processes', otherProcesses)}`;

/** Memory of all GPUs by holder. */
export const memoryByHolder = sum(['holder'], held);

/** Memory of each GPU by holder, and free memory. */
export const cardsByHolder = sum(['card', 'holder'], withCard(`${held} or ${as('free', free)}`));

/** GPU memory of idle models; models with an unknown state are left out. */
export const heldByIdleModels = sum(
  [],
  `${sum(['instance', 'router', 'model'], series(CATALOG.modelGpuMemory))} * (1 - ${max(['instance', 'router', 'model'], series(CATALOG.modelBusy))})`,
);

function as(holder: string, expr: string): string {
  return `label_replace(${expr}, "holder", "${holder}", "", "")`;
}
