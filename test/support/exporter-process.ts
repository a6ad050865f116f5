import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type RootedProcess, startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.mjs');

/** The built exporter as a process of its own, with a state file; it can be killed. */
export interface ExporterProcess {
  readonly url: string;
  /** Another one after `start()`. */
  readonly pid: number;
  /** What it logged since the first start. */
  log(): string;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Sends the signal. Resolves when it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again after `kill()`: same port, same state file. Resolves when it has listed its routers. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/**
 * Starts the exporter of these routers and resolves when it has listed them. `flags` as on the command line, `env` in
 * addition to our own variables. `before` are shell commands that run first, in a mount namespace of its own, which vanishes
 * with it.
 */
export async function startExporterProcess(
  routers: readonly { url: string }[],
  flags: Record<string, string> = {},
  env: Record<string, string> = {},
  before?: string,
): Promise<ExporterProcess> {
  const folder = makeRunFolder('exporter');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const given = Object.entries({
    'web.listen-address': `127.0.0.1:${port}`,
    'state.file': join(folder, 'state.json'),
    'log.level': 'debug',
    ...flags,
  });
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const args = [...variables, process.execPath, MAIN, 'serve'];
  const mounting = ['--mount', '--propagation', 'private', 'sh', '-euc', `${before}\nexec env "$@"`, 'sh'];
  for (const router of routers) args.push(`--router=${router.url}`);
  for (const [flag, value] of given) args.push(`--${flag}=${value}`);
  const program =
    before === undefined ? { command: 'env', args } : { command: 'unshare', args: [...mounting, ...args] };
  let running: RootedProcess;
  const start = async () => {
    running = await startRooted(program, join(folder, 'log'));
    await until('the exporter to be ready', () => !running.alive() || isReady(url));
    if (!running.alive()) throw new Error(`the exporter ended at once:\n${running.log()}`);
  };
  await start();
  return {
    url,
    log: () => running.log(),
    get pid() {
      return running.pid;
    },
    end: (signal) => running.end(signal, 30_000),
    kill: () => running.end('SIGKILL'),
    start,
    async stop() {
      await running.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const isReady = (url: string) =>
  fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
