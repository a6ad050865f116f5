import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../support/free-port.ts';
import {
  at,
  type Case,
  chartFolder,
  configText,
  containerOf,
  renderedCases,
  runGoProgram,
  valuesFile,
} from '../support/helm.ts';
import { type RootedProcess, startRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const rendered = renderedCases();

describe('the notes after an installation', () => {
  const notes = (name: Case) => {
    const args = ['install', 'r', chartFolder, '--namespace=llama', '--dry-run=client'];
    const { code, out, err } = runGoProgram('helm', [...args, '--values', valuesFile(name)]);
    expect([code, err]).toEqual([0, '']);
    return out.split('NOTES:\n')[1] ?? '';
  };

  it('list the routers and what is missing', () => {
    expect(notes('defaults')).toMatch(/watches http:\/\/llama-server:8080\./);
    expect(notes('defaults')).toMatch(/No token is configured:[\s\S]*Prometheus does not scrape it yet/);
    expect(notes('defaults')).toContain('port-forward service/r-llama-router-exporter 10180:10180');
  });

  it('are short when nothing is missing', () => {
    expect(notes('everything')).toContain('port-forward service/exporter 10180:80');
    expect(notes('everything')).not.toMatch(/No token|does not scrape/);
    expect(notes('existing')).toContain('https://localhost:10180');
    expect(notes('sidecar')).toContain('This release does not include the container');
  });
});

describe('the rendered container, with a read-only root file system', () => {
  let folder: string;
  let started: RootedProcess | undefined;
  const said = () => started?.log() ?? '';
  beforeAll(() => {
    folder = makeRunFolder('helm-install');
  });
  afterEach(() => started?.end('SIGKILL'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Starts the program with the arguments of the container; what would be mounted is in a folder. */
  async function startContainer(name: Case, web?: string): Promise<number> {
    const [home, port] = [join(folder, name), await freePort()];
    const here = (text: string) =>
      text
        .replaceAll('/etc/llama-router-exporter/', `${home}/`)
        .replaceAll('/var/lib/llama-router-exporter/', `${home}/state/`)
        .replace('=:10180', `=127.0.0.1:${port}`);
    for (const each of ['config', 'secrets', 'web', 'state'])
      mkdirSync(join(home, each), { recursive: true });
    for (const key of ['gpu-box', 'alertmanager', 'key'])
      writeFileSync(join(home, 'secrets', key), `a-secret-called-${key}\n`);
    if (web !== undefined)
      cpSync(join(CHECKOUT, 'test', 'fixtures', 'tls'), join(home, 'web'), { recursive: true });
    if (web !== undefined) writeFileSync(join(home, 'web', 'web.yml'), web);
    writeFileSync(join(home, 'config', 'config.yml'), here(configText(rendered[name])));
    const args = (at(containerOf(rendered[name]), 'args') as string[]).map(here);
    const shell =
      'mount --bind "$0" "$0"; mount -o remount,bind,ro /; if touch /written 2>&-; then exit 9; fi; exec "$@"';
    const program = [process.execPath, join(CHECKOUT, 'dist', 'main.mjs'), ...args];
    const inside = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-euc',
      shell,
      join(home, 'state'),
      ...program,
    ];
    started = await startRooted({ command: 'unshare', args: inside }, join(folder, `${name}.log`));
    await until('it to listen', () => {
      if (!started?.alive()) throw new Error(`it ended: ${said()}`);
      return said().includes('msg=listening');
    });
    return port;
  }

  it.each(['defaults', 'everything'] as const)(
    '%s: answers the probes, and keeps its state',
    async (name) => {
      const port = await startContainer(name);
      const { pathname: live } = new URL(
        String(at(containerOf(rendered[name]), 'livenessProbe.httpGet.path')),
        'http://x',
      );
      const ready = String(at(containerOf(rendered[name]), 'readinessProbe.httpGet.path'));
      const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
      expect(await status(live)).toBe(200);
      await until('it to be ready', async () => (await status(ready)) === 200);
      await started?.end('SIGTERM');
      expect([said().includes('level=error'), existsSync(join(folder, name, 'state', 'state.json'))]).toEqual(
        [false, true],
      );
    },
  );

  it('existing: serves TLS and requires a user, unlike the open port', async () => {
    const hash = '$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u';
    const tls = 'tls_server_config: { cert_file: server.pem, key_file: server-key.pem }';
    const port = await startContainer('existing', `${tls}\nbasic_auth_users: { prometheus: ${hash} }\n`);
    const agent = new Agent({ rejectUnauthorized: false });
    const [answer] = await once(get(`https://127.0.0.1:${port}/-/healthy`, { agent }), 'response');
    expect(answer.statusCode).toBe(401);
  });
});
