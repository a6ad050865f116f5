import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A program and where it runs. */
export interface RootedCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Run in this Debian root instead of on the machine itself. */
  readonly root?: string;
  /** Folders that the root sees at the very path they have here, so that no path needs translating. */
  readonly folders?: readonly string[];
  /** Run in the PID namespace of this process. */
  readonly pidNamespaceOf?: number | undefined;
}

/** A real server under way. */
export interface RootedProcess {
  readonly pid: number;
  /** False once the process is gone. */
  alive(): boolean;
  log(): string;
  /** Sends the signal and resolves when the process is gone; SIGKILL follows after `graceMs`. */
  end(signal: NodeJS.Signals, graceMs?: number): Promise<void>;
}

/**
 * Starts a server, which prints to the end of `logFile`. It dies with the test run, however that ends: a jest
 * sandbox never hears the real `process`'s exit event, so the kernel is asked to do it (PR_SET_PDEATHSIG,
 * through setpriv). In a root, the mounts live in a namespace of their own and vanish with it: there is
 * nothing to unmount. Every step execs the next, so `pid` is the server's own.
 */
export async function startRooted(start: RootedCommand, logFile: string): Promise<RootedProcess> {
  const log = openSync(logFile, 'a');
  const child = spawn(...commandLine(start), { stdio: ['ignore', log, log] });
  closeSync(log);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await once(child, 'spawn');
  const alive = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    alive,
    log: () => readFileSync(logFile, 'utf8'),
    async end(signal, graceMs = 5_000) {
      if (!alive()) return;
      child.kill(signal);
      const impatience = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(impatience);
    },
  };
}

/** Runs a program to its end; `output` is all it printed. */
export function runRooted(run: RootedCommand, input = ''): { code: number; output: string } {
  const done = spawnSync(...commandLine(run), { input, encoding: 'utf8' });
  return { code: done.status ?? -1, output: `${done.stdout}${done.stderr}` };
}

function commandLine({ pidNamespaceOf, ...started }: RootedCommand): [string, string[]] {
  if (pidNamespaceOf === undefined) return inRoot(started);
  const [command, args] = inRoot(started);
  // Its /proc, too. If nsenter dies, so does the program.
  const namespaces = ['--pid', '--mount', `--target=${pidNamespaceOf}`];
  return ['setpriv', ['--pdeathsig', 'KILL', 'nsenter', ...namespaces, command, ...args]];
}

function inRoot({ command, args, root, folders = [] }: RootedCommand): [string, string[]] {
  const dying = ['--pdeathsig', 'KILL'];
  if (root === undefined) return ['setpriv', [...dying, command, ...args]];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  const shell = ['sh', '-euc', enterRoot, 'enter-root', root, ...folders, '--', command, ...args];
  return ['unshare', ['--mount', '--propagation', 'private', 'setpriv', ...dying, ...shell]];
}

/** llama-server finds its own binary through /proc: without it, every load fails. */
const enterRoot = `
root=$1; shift
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do mount --bind "$1" "$root$1"; shift; done
shift
exec chroot "$root" "$@"
`;
