import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { runRooted, startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import { until } from './until.ts';

/** A real nginx, of the machine's own Debian, with one file in its `http` block. */
export interface Nginx {
  /** The output of `nginx -t`. */
  readonly check: { code: number; output: string };
  /** All errors and warnings so far. */
  log(): string;
  /** Ends it and removes its folder. Harmless when called twice. */
  stop(): Promise<void>;
}

/** Starts an nginx for `included`, and resolves when it listens on `port` of loopback. */
export async function startNginx(included: string, port: number): Promise<Nginx> {
  const folder = makeRunFolder('nginx');
  const main = join(folder, 'nginx.conf');
  writeFileSync(join(folder, 'included.conf'), included);
  writeFileSync(main, mainOf(folder));
  mkdirSync(join(folder, 'body'));
  // Before its configuration is read it would write to the log of the machine's own nginx.
  const args = ['-c', main, '-e', 'stderr', '-p', folder];
  const check = runRooted({ command: 'nginx', args: [...args, '-t', '-q'] });
  const started = await startRooted({ command: 'nginx', args }, join(folder, 'log'));
  let lastLog: string | undefined;
  const stop = async () => {
    if (lastLog !== undefined) return;
    await started.end('SIGTERM');
    lastLog = started.log();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('nginx to listen', async () => !started.alive() || (await listens(port)));
    if (!started.alive()) throw new Error('nginx ended at once');
  } catch (error) {
    await stop();
    throw new Error(`${String(error)}. It said:\n${lastLog}`, { cause: error });
  }
  return { check, log: () => lastLog ?? started.log(), stop };
}

/** One process in the foreground, so that it dies with the test run, and nothing outside its folder. */
function mainOf(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr warn;
events {}
http {
  access_log off;
${kinds.map((kind) => `  ${kind}_temp_path ${folder}/body/${kind};`).join('\n')}
  include ${folder}/included.conf;
}
`;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
