import { type GpuMemory, isMainPool, type OtherProcess } from './reading.ts';

/** The memory of one GPU: of its own pool, or of both pools of an APU together. */
export interface CardMemory extends Omit<GpuMemory, 'pool' | 'others'> {
  pools: readonly GpuMemory[];
  others: readonly OtherProcess[];
}

/** The GPUs of a reading, in its order. */
export function cardMemory(pools: readonly GpuMemory[]): CardMemory[] {
  const byCard = new Map<string, GpuMemory[]>();
  for (const pool of pools) byCard.set(pool.uuid, [...(byCard.get(pool.uuid) ?? []), pool]);
  return [...byCard.values()].flatMap((all) => {
    const main = all.filter(isMainPool);
    const [first] = main;
    if (first === undefined) return [];
    const { pool: _, ...card } = first;
    return {
      ...card,
      pools: all,
      totalBytes: sumOf(main.map(({ totalBytes }) => totalBytes)),
      usedBytes: sumOf(main.map(({ usedBytes }) => usedBytes)),
      unownedBytes: sumOf(main.map(({ unownedBytes }) => unownedBytes)),
      others: merged(main.flatMap(({ others = [] }) => others)),
    };
  });
}

/** Undefined without values, and if one of them is unknown. */
export function sumOf(values: readonly (number | undefined)[]): number | undefined {
  if (values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce((sum: number, value) => sum + (value ?? 0), 0);
}

/** A process counts once, the largest first. */
function merged(processes: readonly OtherProcess[]): OtherProcess[] {
  const byPid = new Map<number, OtherProcess>();
  for (const process of processes) {
    const bytes = (byPid.get(process.pid)?.bytes ?? 0) + process.bytes;
    byPid.set(process.pid, { ...process, bytes });
  }
  return [...byPid.values()].sort((one, other) => other.bytes - one.bytes);
}
