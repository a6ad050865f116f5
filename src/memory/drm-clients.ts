import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { linkTarget, listFolder } from './procfs.ts';

const CONCURRENCY = 8;

/** Each process is looked at once within this number of readings: it may have opened a card since. */
const READINGS_FOR_ALL = 60;

/**
 * Returns a function that finds the processes that have opened an AMD or Intel card. Those of other users are found
 * only as root or with CAP_SYS_PTRACE. New processes are looked at at once, others now and then.
 */
export function createDrmClients(procfs: string): (pids: ReadonlySet<number>) => Promise<number[]> {
  const known = new Map<number, boolean>();
  let readings = 0;

  return async (pids) => {
    readings += 1;
    for (const pid of known.keys()) if (!pids.has(pid)) known.delete(pid);
    const due = [...pids].filter(
      (pid) => !known.has(pid) || pid % READINGS_FOR_ALL === readings % READINGS_FOR_ALL,
    );
    await mapLimited(CONCURRENCY, due, async (pid) => {
      known.set(pid, await hasOpenCard(pid));
    });
    return [...known].flatMap(([pid, isClient]) => (isClient ? [pid] : []));
  };

  async function hasOpenCard(pid: number): Promise<boolean> {
    const folder = join(procfs, String(pid), 'fd');
    const files = await listFolder(folder);
    if (!files.ok) return false;
    for (const file of files.value) {
      if ((await linkTarget(join(folder, file)))?.startsWith('/dev/dri/')) return true;
    }
    return false;
  }
}
