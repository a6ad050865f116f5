import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';

/** A real name server, with nothing but the records it was given. */
export interface NameServer {
  /** Ends it; harmless when called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a dnsmasq on a port of loopback. `records` as on its command line: `--srv-host=_llama._tcp.test,box,8080`,
 * `--host-record=box.test,127.0.0.1`. Everything else under `test` does not exist.
 */
export async function startNameServer(port: number, records: readonly string[]): Promise<NameServer> {
  const folder = makeRunFolder('dnsmasq');
  mkdirSync(folder, { recursive: true });
  const args = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--pid-file',
    '--user=root',
    '--no-resolv',
    '--no-hosts',
    '--listen-address=127.0.0.1',
    '--bind-interfaces',
    `--port=${port}`,
    '--local=/test/',
    ...records,
  ];
  const started = await startRooted({ command: 'dnsmasq', args }, join(folder, 'log'));
  let stopped = false;
  return {
    async stop() {
      if (stopped) return;
      stopped = true;
      await started.end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
