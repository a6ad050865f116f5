import { groupBy } from '../lib/group-by.ts';
import { type GpuMemory, isMainPool, sumOf } from './reading.ts';

/** The memory of one GPU: of its own pool, or of both pools of an APU together. */
export interface CardMemory extends Omit<GpuMemory, 'pool'> {
  pools: readonly GpuMemory[];
}

/** The GPUs of a reading, in its order. */
export function cardMemory(pools: readonly GpuMemory[]): CardMemory[] {
  return [...groupBy(pools, ({ uuid }) => uuid).values()].flatMap((all) => {
    const main = all.filter(isMainPool);
    const [first] = main;
    if (first === undefined) return [];
    const { pool: _, ...card } = first;
    return {
      ...card,
      pools: all,
      totalBytes: sumOf(main.map(({ totalBytes }) => totalBytes)),
      usedBytes: sumOf(main.map(({ usedBytes }) => usedBytes)),
      freeBytes: sumOf(main.map((each) => each.freeBytes ?? restOf(each))),
      unownedBytes: sumOf(main.map(({ unownedBytes }) => unownedBytes)),
    };
  });
}

function restOf({ totalBytes, usedBytes }: GpuMemory): number | undefined {
  return totalBytes === undefined || usedBytes === undefined
    ? undefined
    : Math.max(0, totalBytes - usedBytes);
}
