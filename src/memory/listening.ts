import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { codeOf } from '../lib/error-code.ts';
import { linkTarget, parseListeners, readText } from './procfs.ts';
import type { ParentProcess, ProcessId } from './reading.ts';

/** Tells where processes listen. */
export interface Listening {
  describe(processes: readonly ProcessId[]): Promise<ParentProcess[]>;
}

/** A process that listens nowhere is asked so often; later it will not begin to. */
const TRIES = 5;

const AT_ONCE = 8;

/**
 * A process listens on a port when one of its open files is the socket that the kernel lists for that port, in the
 * network that is ours as well: what listens in a container's own network does not count. What was found is kept
 * for the life of the process, since the kernel's list is long on a busy machine.
 */
export function createListening(procfs: string): Listening {
  const known = new Map<string, { process: ParentProcess; tries: number }>();
  return {
    async describe(processes) {
      const wanted = new Set(processes.map(keyOf));
      for (const key of known.keys()) if (!wanted.has(key)) known.delete(key);
      const unknown = processes.filter(({ pid, startTicks }) => {
        const before = known.get(keyOf({ pid, startTicks }));
        return before === undefined || (before.tries < TRIES && before.process.listens?.length === 0);
      });
      if (unknown.length > 0) await learn(unknown);
      return processes.map((process) => known.get(keyOf(process))?.process ?? process);
    },
  };

  async function learn(processes: readonly ProcessId[]): Promise<void> {
    const listeners = new Map<string, number>();
    for (const table of ['tcp', 'tcp6']) {
      const text = await readText(join(procfs, 'net', table));
      if (text.ok) for (const [inode, port] of parseListeners(text.value)) listeners.set(inode, port);
    }
    for (const process of processes) {
      const ports = await portsOf(process.pid, listeners);
      const tries = (known.get(keyOf(process))?.tries ?? 0) + 1;
      known.set(keyOf(process), { process: { ...process, ...(ports && { listens: ports }) }, tries });
    }
  }

  async function portsOf(pid: number, listeners: ReadonlyMap<string, number>): Promise<number[] | undefined> {
    const folder = join(procfs, String(pid), 'fd');
    let files: string[];
    try {
      files = await readdir(folder);
    } catch (error) {
      return /^E(ACCES|PERM)$/.test(codeOf(error)) ? undefined : [];
    }
    const targets = await mapLimited(AT_ONCE, files, (file) => linkTarget(join(folder, file)));
    const ports = targets.flatMap(
      (target) => listeners.get(/^socket:\[(\d+)\]$/.exec(target ?? '')?.[1] ?? '') ?? [],
    );
    return [...new Set(ports)].sort((a, b) => a - b);
  }
}

function keyOf({ pid, startTicks }: ProcessId): string {
  return `${pid} ${startTicks}`;
}
