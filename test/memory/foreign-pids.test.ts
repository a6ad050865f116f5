import { expect, it } from '@jest/globals';
import { hasForeignPids, type PidEvidence } from '../../src/memory/foreign-pids.ts';
import type { Allocation, MeasuredPool } from '../../src/memory/reading.ts';

const GIB = 1024 ** 3;
const pool: MeasuredPool = {
  ...{ gpu: '0', uuid: 'GPU-0', name: 'RTX', pool: 'vram', hasAllocations: true },
  ...{ totalBytes: 24 * GIB, usedBytes: 20 * GIB },
};
const on = (...pids: number[]): Allocation[] =>
  pids.map((pid) => ({ pid, uuid: 'GPU-0', pool: 'vram', bytes: GIB }));
const qwen = { pid: 7, startTicks: 1, alias: 'qwen', port: 40_007, parent: { pid: 1, startTicks: 1 } };

/** A container in which qwen is loaded as process 7. */
const evidence = (more: Partial<PidEvidence> = {}): PidEvidence => ({
  ...{ isConfined: true, pools: [pool], allocations: on(7), pids: new Set([1, 7, 8]), processes: [qwen] },
  models: [{ id: 'qwen', aliases: [], isRunning: true, isLoaded: true }],
  ...more,
});

it.each<[string, Partial<PidEvidence>, boolean]>([
  ['a loaded model is listed', {}, false],
  ['another process of the container is listed, too', { allocations: on(7, 8) }, false],
  ['a process is listed that is not in the table', { allocations: on(7, 4101) }, true],
  ['only processes that are not in the table are listed', { allocations: on(4101) }, true],
  ['no process is listed', { allocations: [] }, true],
  ['another process of the container is listed instead of the model', { allocations: on(8) }, true],
  [
    'no process is listed, and the card is idle',
    { allocations: [], pools: [{ ...pool, usedBytes: 400e6 }] },
    false,
  ],
  [
    'no process is listed, and its use is unknown',
    { allocations: [], pools: [{ ...pool, usedBytes: undefined }] },
    false,
  ],
  [
    'no process is listed while the model loads',
    { allocations: [], models: [{ id: 'qwen', aliases: [], isRunning: true, isLoaded: false }] },
    false,
  ],
  [
    'no process is listed, and the model is known by its alias',
    { allocations: [], models: [{ id: 'qwen3-8b', aliases: ['qwen'], isRunning: true, isLoaded: true }] },
    true,
  ],
  ['no process is listed and no model is loaded', { allocations: [], processes: [] }, false],
  ["the process table is the machine's", { isConfined: false, allocations: on(4101) }, false],
  ['there is no card', { pools: [], allocations: [] }, false],
])('process IDs of another namespace: %s', (_, more, foreign) => {
  expect(hasForeignPids(evidence(more))).toBe(foreign);
});
