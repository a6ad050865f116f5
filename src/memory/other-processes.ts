import { join } from 'node:path';
import { cardMemory } from './card-memory.ts';
import type { AttributedPool } from './owners.ts';
import { readHead } from './procfs.ts';
import type { GpuMemory } from './reading.ts';

/** Longer than the name of any command. */
const COMM_BYTES = 64;

/** Keeps the largest other processes of each card, at most `max`, and names them. */
export async function withLargest(
  pools: readonly AttributedPool[],
  max: number,
  procfs: string,
): Promise<GpuMemory[]> {
  const unnamed = pools.map(({ others, ...pool }) => {
    return { ...pool, others: others.map((each) => ({ ...each, name: '' })) };
  });
  const largest = new Map(
    cardMemory(unnamed).map(({ uuid, others }) => [uuid, others.slice(0, max).map(({ pid }) => pid)]),
  );
  const pids = [...new Set([...largest.values()].flat())];
  const names = new Map(
    await Promise.all(pids.map(async (pid) => [pid, await nameOf(pid, procfs)] as const)),
  );
  return unnamed.map(({ others, ...pool }) => {
    const kept = others.filter(({ pid }) => largest.get(pool.uuid)?.includes(pid));
    return { ...pool, others: kept.map((each) => ({ ...each, name: names.get(each.pid) ?? '' })) };
  });
}

/** Empty if the process is not visible. */
async function nameOf(pid: number, procfs: string): Promise<string> {
  return ((await readHead(join(procfs, String(pid), 'comm'), COMM_BYTES)) ?? '').trim();
}
