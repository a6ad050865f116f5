import { join } from 'node:path';
import { linkTargets, parseListeners, parseUnixListeners, readText } from './procfs.ts';
import type { ParentProcess, ProcessId } from './reading.ts';

/**
 * Looks up the ports and Unix sockets on which processes listen: one of their open files is a listening socket of the
 * kernel's tables, which cover the exporter's own network namespace.
 */
export async function withListening<Process extends ProcessId>(
  processes: readonly Process[],
  procfs: string,
): Promise<(Process & Pick<ParentProcess, 'listens'>)[]> {
  if (processes.length === 0) return [];
  const tables = await Promise.all(
    (['tcp', 'tcp6', 'unix'] as const).map(async (name) => {
      const text = await readText(join(procfs, 'net', name));
      if (!text.ok) return [];
      return name === 'unix' ? parseUnixListeners(text.value) : parseListeners(text.value);
    }),
  );
  const listeners = new Map<string, number | string>(tables.flat());
  return Promise.all(
    processes.map(async (process) => {
      const targets = await linkTargets(join(procfs, String(process.pid), 'fd'));
      if (!targets.ok) return /^E(ACCES|PERM)$/.test(targets.fault) ? process : { ...process, listens: [] };
      const inodes = targets.value.map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
      const listens = new Set(inodes.flatMap((inode) => listeners.get(inode) ?? []));
      return { ...process, listens: [...listens].sort() };
    }),
  );
}
