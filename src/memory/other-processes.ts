import { join } from 'node:path';
import { groupBy } from '../lib/group-by.ts';
import type { Unnamed } from './owners.ts';
import { readHead } from './procfs.ts';
import type { OtherProcess } from './reading.ts';

/** Longer than the name of any command. */
const COMM_BYTES = 64;

/** Keeps the first processes of each card, at most `max`, and names them; the name is empty if one is not visible. */
export function namedProcesses(
  processes: readonly Unnamed[],
  max: number,
  procfs: string,
): Promise<OtherProcess[]> {
  const kept = [...groupBy(processes, ({ uuid }) => uuid).values()].flatMap((all) => all.slice(0, max));
  return Promise.all(
    kept.map(async (process) => {
      const comm = await readHead(join(procfs, String(process.pid), 'comm'), COMM_BYTES).catch(() => '');
      return { ...process, name: (comm ?? '').trim() };
    }),
  );
}
