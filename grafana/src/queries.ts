import { CATALOG } from '../../src/metrics/catalog.ts';
import { STATUSES } from './colors.ts';
import { max, series, sum, withCard } from './promql.ts';

/** The status of each model as a number: see STATUS_CODES. */
export const statusCode = sum(
  ['instance', 'router', 'model'],
  STATUSES.map(({ status }, code) => `${series(CATALOG.modelStatus, { status })} * ${code}`).join(' or '),
);

/** Models in memory, and those on their way there, by status. */
export const modelsInMemory = sum(['status'], series(CATALOG.models, { status: 'loading|loaded|sleeping' }));

/** The share of each GPU's memory that is in use, whoever uses it. */
export const gpuFill = `${series(CATALOG.gpuMemoryUsed)} / (${series(CATALOG.gpuMemoryTotal)} > 0)`;

const ofModels = sum(
  ['instance', 'gpu_uuid', 'holder'],
  `label_replace(${series(CATALOG.modelGpuMemory)}, "holder", "$1", "model", "(.+)")`,
);

const free = sum(
  ['instance', 'gpu_uuid'],
  `${series(CATALOG.gpuMemoryTotal)} - ${series(CATALOG.gpuMemoryUsed)}`,
);

const notOurs = sum(['instance', 'gpu_uuid'], series(CATALOG.gpuMemoryUnowned));

const held = `${ofModels} or ${as('not ours', notOurs)}`;

/** Who holds how much of all GPUs together. */
export const memoryByHolder = sum(['holder'], held);

/** Who holds how much of each GPU, and what is free. */
export const cardsByHolder = sum(['card', 'holder'], withCard(`${held} or ${as('free', free)}`));

/** How far the GPU memory of each model goes to those that have nothing to do; nothing where nobody knows. */
export const heldWithoutWork = sum(
  [],
  `${sum(['instance', 'router', 'model'], series(CATALOG.modelGpuMemory))} * (1 - ${max(['instance', 'router', 'model'], series(CATALOG.modelBusy))})`,
);

function as(holder: string, expr: string): string {
  return `label_replace(${expr}, "holder", "${holder}", "", "")`;
}
