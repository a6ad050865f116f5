import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { linkTarget, listFolder, parseListeners, parseUnixListeners, readText } from './procfs.ts';
import { type ParentProcess, type ProcessId, processKey } from './reading.ts';

/** Attempts for a process that listens nowhere: it may have just started. */
const ATTEMPTS = 5;

const CONCURRENCY = 8;

/**
 * Looks up the ports and Unix sockets on which processes listen: one of their open files is a listening socket of the
 * kernel's tables, which cover the exporter's own network namespace. Results are kept while the process lives: the table is long on a busy machine.
 */
export function createListening(procfs: string) {
  const known = new Map<string, { process: ParentProcess; attempts: number }>();
  return {
    async describe(processes: readonly ProcessId[]): Promise<ParentProcess[]> {
      const wanted = new Set(processes.map(processKey));
      for (const key of known.keys()) if (!wanted.has(key)) known.delete(key);
      const unknown = processes.filter((process) => {
        const before = known.get(processKey(process));
        return !before || (before.attempts < ATTEMPTS && before.process.listens?.length === 0);
      });
      if (unknown.length > 0) await lookUp(unknown);
      return processes.map((process) => known.get(processKey(process))?.process ?? process);
    },
  };

  async function lookUp(processes: readonly ProcessId[]): Promise<void> {
    const listeners = new Map<string, number | string>();
    for (const table of ['tcp', 'tcp6']) {
      const text = await readText(join(procfs, 'net', table));
      if (text.ok) for (const [inode, port] of parseListeners(text.value)) listeners.set(inode, port);
    }
    const sockets = await readText(join(procfs, 'net', 'unix'));
    if (sockets.ok) for (const [inode, path] of parseUnixListeners(sockets.value)) listeners.set(inode, path);
    for (const process of processes) {
      const { pid, startTicks } = process;
      const attempts = (known.get(processKey(process))?.attempts ?? 0) + 1;
      const listens = await addressesOf(pid, listeners);
      known.set(processKey(process), { process: { pid, startTicks, listens }, attempts });
    }
  }

  async function addressesOf(
    pid: number,
    listeners: ReadonlyMap<string, number | string>,
  ): Promise<(number | string)[] | undefined> {
    const folder = join(procfs, String(pid), 'fd');
    const files = await listFolder(folder);
    if (!files.ok) return /^E(ACCES|PERM)$/.test(files.fault) ? undefined : [];
    const targets = await mapLimited(CONCURRENCY, files.value, (file) => linkTarget(join(folder, file)));
    const inodes = targets.map((target) => /^socket:\[(\d+)\]$/.exec(target ?? '')?.[1] ?? '');
    return [...new Set(inodes.flatMap((inode) => listeners.get(inode) ?? []))].sort();
  }
}
