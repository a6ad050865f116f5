import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../src/cli/cli.ts';
import { createConfigSource } from '../../src/config/source.ts';
import { type Service, startService } from '../../src/service.ts';
import { aLog } from '../support/a-log.ts';
import { basic } from '../support/access.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';

/** The whole service with its files on disk: who is let in, and how that changes while it runs. */

const TLS = join(import.meta.dirname, '..', 'fixtures', 'tls');
const HASH = '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';

let folder: string;
let config: string;
let web: string;
let lines: string[];
let clock: SteppedClock;
const ends: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = scratchFolder();
  config = join(folder, 'config.yml');
  web = join(folder, 'web.yml');
  lines = [];
  clock = createSteppedClock();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function configure(more: string): void {
  writeFileSync(
    config,
    `routers: [{ url: 'http://127.0.0.1:1' }]\nweb: { listen_address: '127.0.0.1:0', config_file: web.yml }\n${more}`,
  );
}

const WITH_TLS = 'tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n';
const withUsers = (...names: string[]) =>
  `basic_auth_users:\n${names.map((name) => `  ${name}: ${HASH}\n`).join('')}`;

function writePair(name: string): void {
  copyFileSync(join(TLS, `${name}.pem`), join(folder, 'cert.pem'));
  copyFileSync(join(TLS, `${name}-key.pem`), join(folder, 'key.pem'));
}

async function start(): Promise<Service> {
  const log = aLog((line) => lines.push(line.replaceAll(`${folder}/`, '')), 'info');
  const source = createConfigSource({ file: config, env: {}, flags: {} });
  const service = await startService({ config: source, log, version: '1.2.3', clock });
  ends.push(service.stop);
  return service;
}

function ask({ port }: Service, options: RequestOptions = {}) {
  return new Promise<{ status: number | undefined; serial: string }>((resolve, reject) => {
    const all = {
      host: 'localhost',
      family: 4,
      port,
      path: '/metrics',
      ca: readFileSync(join(TLS, 'ca.pem')),
    };
    const agent = new Agent({ keepAlive: false });
    request({ ...all, agent, ...options }, (response) => {
      const { serialNumber: serial } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume().on('end', () => resolve({ status: response.statusCode, serial }));
    })
      .on('error', reject)
      .end();
  });
}

const told = (message: string) => lines.filter((line) => line.includes(`msg="${message}"`));

describe('the service with a web configuration file', () => {
  it('serves HTTPS to its users, and uses changed users and certificates without a restart', async () => {
    writePair('server');
    writeFileSync(web, WITH_TLS + withUsers('alice'));
    configure('');
    const service = await start();
    expect(told('web configuration loaded')).toEqual([
      expect.stringContaining('file=web.yml tls=true users=1'),
    ]);
    const before = await ask(service, { headers: basic('alice') });
    expect([before.status, (await ask(service)).status]).toEqual([200, 401]);
    writeFileSync(web, WITH_TLS + withUsers('bob'));
    writePair('renewed');
    clock.jump(1000);
    const after = await ask(service, { headers: basic('bob') });
    expect([after.status, (await ask(service, { headers: basic('alice') })).status]).toEqual([200, 401]);
    expect(after.serial).not.toBe(before.serial);
    expect(told('web configuration reloaded')).toHaveLength(1);
  });

  it('keeps the previous configuration while the file is invalid, and logs why', async () => {
    writePair('server');
    writeFileSync(web, WITH_TLS + withUsers('alice'));
    configure('');
    const service = await start();
    writeFileSync(web, WITH_TLS + withUsers('bob').replace('$2y', '2y'));
    clock.jump(1000);
    expect((await ask(service, { headers: basic('alice') })).status).toBe(200);
    const [line = '', ...more] = told('web configuration reload failed; keeping the previous one');
    expect(line).toContain('web.yml:3: basic_auth_users.bob: must be a bcrypt hash');
    expect(more).toEqual([]);
  });

  it('keeps HTTPS until a restart when TLS is removed from the file', async () => {
    writePair('server');
    writeFileSync(web, WITH_TLS);
    configure('');
    const service = await start();
    writeFileSync(web, withUsers('alice'));
    clock.jump(1000);
    expect((await ask(service, { headers: basic('alice') })).status).toBe(200);
    expect((await ask(service)).status).toBe(401);
    expect(told('some changes need a restart')).toEqual([expect.stringContaining('tls_server_config')]);
  });

  it('uses new tokens after a reload, and logs at most ten refusals a minute', async () => {
    writeFileSync(web, 'http_server_config: { headers: { X-Frame-Options: deny } }\n');
    writeFileSync(join(folder, 'token'), 'the-first-of-its-kind\n');
    configure('auth: { tokens: [{ name: operator, token_file: token }] }\n');
    const service = await start();
    const reload = async (token: string) => {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await fetch(`http://127.0.0.1:${service.port}/-/reload`, { method: 'POST', headers });
      return [answer.status, answer.headers.get('x-frame-options')];
    };
    writeFileSync(join(folder, 'token'), 'the-second-of-its-kind\n');
    expect(await reload('the-first-of-its-kind')).toEqual([200, 'deny']);
    expect(await reload('the-first-of-its-kind')).toEqual([401, 'deny']);
    expect(await reload('the-second-of-its-kind')).toEqual([200, 'deny']);
    for (let i = 0; i < 20; i++) await reload('the-first-of-its-kind');
    const refusals = lines.filter((line) => line.includes('msg="request refused"'));
    expect(refusals).toHaveLength(10);
    expect(refusals[0]).toContain(
      'reason=unauthorized caller=unknown address=127.0.0.1 request="POST /-/reload" detail="unknown token"',
    );
    expect(lines.join('')).not.toContain('of-its-kind');
  });
});

describe('without tokens and users', () => {
  const OPEN =
    'no token is configured: behind a reverse proxy on this machine, remote callers may unload models';
  const listening = (host: string, more = '') =>
    writeFileSync(
      config,
      `routers: [{ url: 'http://127.0.0.1:1' }]\nweb: { listen_address: '${host}:0', config_file: '' }\n${more}`,
    );

  it('a service that listens on more than loopback warns at its start and says what to do', async () => {
    listening('0.0.0.0');
    await start();
    expect(told(OPEN)).toEqual([
      expect.stringMatching(
        /level=warn .*listen_address=0\.0\.0\.0:0 remedy="configure auth\.tokens, or set/,
      ),
    ]);
  });

  it.each<[string, string, string]>([
    ['on loopback', '127.0.0.1', ''],
    ['with a token', '0.0.0.0', 'auth: { tokens: [{ name: operator, token: 0123456789-0123456789 }] }\n'],
  ])('a service %s does not', async (_, host, more) => {
    listening(host, more);
    await start();
    expect(told(OPEN)).toEqual([]);
  });
});

it.each([
  ['check-config', (): string[] => ['check-config', config]],
  ['serve', (): string[] => ['serve', '--config.file', config]],
])('%s reports an invalid web configuration file and exits with 2', async (_, args) => {
  writeFileSync(web, 'tls_server_config: { cert_file: not-there.pem, key_file: not-there.pem }\n');
  configure('');
  let out = '';
  const write = (text: string) => (out += text);
  const code = await runCli(args(), { out: write, err: write, isInteractive: false });
  expect(code).toBe(2);
  expect(out.replaceAll(`${folder}/`, '')).toBe(`llama-router-exporter: 2 problems:
  web.yml:1: tls_server_config.cert_file: not-there.pem does not exist: check the path
  web.yml:1: tls_server_config.key_file: not-there.pem does not exist: check the path
`);
});
