import { readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

/** A process as /proc shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly args: readonly string[];
}

/** The running children of a process. */
export function childrenOf(parent: number): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const { state, ppid } = statOf(name);
      if (ppid !== parent || state === 'Z') return [];
      return [{ pid: Number(name), args: readIfThere(`/proc/${name}/cmdline`).split('\0') }];
    });
}

/** False for a zombie too: in a container it may wait a second or longer for process 1 to look. */
export function isAlive(pid: number): boolean {
  const { state } = statOf(String(pid));
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Stops a process. Resolves when each of its threads has stopped: on a busy machine one may still answer a request. */
export async function suspend(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(
    `process ${pid} to stop`,
    () => readdirSync(`/proc/${pid}/task`).every((thread) => statOf(`${pid}/task/${thread}`).state === 'T'),
    { everyMs: 1 },
  );
}

function statOf(pid: string): { state: string | undefined; ppid: number } {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === '') return { state: undefined, ppid: 0 };
  // The command's name is in brackets and may hold spaces and brackets: count the fields from behind it.
  const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, ppid: Number(ppid) };
}

/** A process may end between being listed and being read. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
