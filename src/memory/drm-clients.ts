import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import type { ProcessTable } from './processes.ts';
import { CONCURRENCY, linkTargets } from './procfs.ts';

/**
 * Returns a function that finds the processes that have opened an AMD or Intel card. Those of other users are found
 * only as root or with CAP_SYS_PTRACE. A process that opens a card later is found when it is inspected again.
 */
export function createDrmClients(procfs: string): (table: ProcessTable) => Promise<number[]> {
  const clients = new Set<number>();
  return async ({ pids, inspected }) => {
    for (const pid of clients) if (!pids.has(pid)) clients.delete(pid);
    await mapLimited(CONCURRENCY, inspected, async (pid) => {
      // Without a free file descriptor, nothing new is known of it.
      const targets = await linkTargets(join(procfs, String(pid), 'fd')).catch(() => undefined);
      if (targets === undefined) return;
      if (targets.ok && targets.value.some((target) => target.startsWith('/dev/dri/'))) clients.add(pid);
      else clients.delete(pid);
    });
    return [...clients];
  };
}
