import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { consult } from '../doctor/consult.ts';
import { startExporter } from '../support/exporter.ts';
import { freePort } from '../support/free-port.ts';
import { placeModel } from '../support/model-files.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { type RootedProcess, startRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

let folder: string;
let socket: string;
let keys: string;
let router: RootedProcess;

/** A real router at a socket, with a base path and several keys in a file. */
beforeEach(async () => {
  folder = makeRunFolder('reach');
  socket = join(folder, 'llama.sock');
  keys = join(folder, 'keys');
  writeFileSync(keys, '# clients\n\nkey-of-one\n# the exporter\nkey-of-two\n');
  const models = join(folder, 'models');
  mkdirSync(models);
  for (const model of ['tiny-a', 'tiny-b']) placeModel(models, model);
  router = await startServer(['--host', socket, '--api-prefix', '/llama', '--api-key-file', keys]);
  await until('the router to answer', async () => (await send('GET', '/health')) === 200);
});

function startServer(more: readonly string[]): Promise<RootedProcess> {
  const args = [...more, '--models-dir', join(folder, 'models'), '-c', '256', '--threads', '1'];
  args.push('--no-ui', '--offline', '--metrics');
  const own = process.env.LLAMA_SERVER_BIN;
  const program = own ? { command: own } : { command: 'llama-server', root: sidRoot };
  return startRooted({ ...program, args, folders: [folder] }, join(folder, 'router.log'));
}

afterEach(async () => {
  await router.end('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Sends a request as another client, and resolves with its status; undefined when nothing answers. */
function send(method: string, path: string, body?: object): Promise<number | undefined> {
  const headers = { authorization: 'Bearer key-of-two', 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const sent = request(
      { socketPath: socket, path: `/llama${path}`, method, headers, agent: false },
      (answer) => {
        void text(answer).then(() => resolve(answer.statusCode));
      },
    );
    sent.on('error', () => resolve(undefined));
    sent.end(body && JSON.stringify(body));
  });
}

test('a router at a Unix socket with a base path and a key file is followed, measured and unloaded', async () => {
  const exporter = await startExporter([`unix:${socket}:/llama`], {}, { LLAMA_API_KEY_FILE: keys });
  try {
    expect(await exporter.value('llama_router_up', { router: socket })).toBe(1);
    expect(await send('POST', '/models/load', { model: 'tiny-a' })).toBe(200);
    const model = { router: socket, model: 'tiny-a' };
    await exporter.untilValue('llama_router_model_status', { ...model, status: 'loaded' }, 1);
    await until('its process to be found', async () => {
      return ((await exporter.value('llama_router_model_resident_memory_bytes', model)) ?? 0) > 0;
    });
    const answer = await fetch(`${exporter.url}/api/v1/unload-all`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'test' }),
    });
    expect(await answer.json()).toMatchObject({ outcome: 'success', summary: { unloaded: 1 } });
    expect(await exporter.value('llama_router_model_unloads_total', { ...model, reason: 'requested' })).toBe(
      1,
    );
  } finally {
    await exporter.stop();
  }
});

test('doctor finds nothing wrong with it, and names a missing base path and a socket that is left behind', async () => {
  const env = { LLAMA_API_KEY_FILE: keys };
  const { text: fine, code } = await consult([`unix:${socket}:/llama`], { env });
  expect(code).toBe(0);
  expect(fine).toContain(
    `  ok    connection  ${socket} answers\n  ok    key         the API key is accepted\n`,
  );
  const { text: without } = await consult([socket], { env });
  expect(without).toContain('this is llama-server, but it has no /props and no /models');
  expect(without).toContain(`Put that into the URL: unix:${socket}:/PREFIX`);
  await router.end('SIGKILL');
  const { text: left } = await consult([socket], { env });
  expect(left).toContain(`FAIL  connection  no program listens on the socket ${socket}`);
});

test('a router with a certificate of its own CA is followed with ca_file', async () => {
  cpSync(join(import.meta.dirname, '..', 'fixtures', 'tls'), folder, { recursive: true });
  const [certificate, key] = [join(folder, 'server.pem'), join(folder, 'server-key.pem')];
  const port = await freePort();
  const tls = ['--ssl-cert-file', certificate, '--ssl-key-file', key];
  const secure = await startServer(['--host', '127.0.0.1', '--port', String(port), ...tls]);
  try {
    await until('it to listen', () => secure.log().includes(`listening on https://127.0.0.1:${port}`));
    const url = `https://localhost:${port}`;
    expect((await consult([url])).text).toContain(
      'FAIL  connection  the certificate of localhost:PORT is not',
    );
    const env = { LLAMA_SERVER_CA_FILE: join(folder, 'ca.pem') };
    expect((await consult([url], { env })).code).toBe(0);
    const exporter = await startExporter([url], {}, env);
    await exporter.untilValue('llama_router_event_stream_connected', { router: `localhost:${port}` }, 1);
    await exporter.stop();
  } finally {
    await secure.end('SIGKILL');
  }
});

describe('behind a real nginx', () => {
  /** The location of a server that requires this user, or none. */
  const PASSWORD = 'auth_basic llama; auth_basic_user_file USERS;';
  const user = { LLAMA_SERVER_USERNAME: 'exporter', LLAMA_SERVER_PASSWORD: 'right-word' };

  let nginx: Nginx | undefined;
  afterEach(() => nginx?.stop());

  /** The URL of an nginx with these locations, where ROUTER is the address of the router and its base path. */
  async function proxied(locations: string): Promise<string> {
    const port = await freePort();
    const users = join(folder, 'users');
    writeFileSync(users, 'exporter:{PLAIN}right-word\n');
    const text = locations.replaceAll('ROUTER', `http://unix:${socket}:/llama`).replaceAll('USERS', users);
    nginx = await startNginx(`server { listen 127.0.0.1:${port}; ${text} }\n`, port);
    expect(nginx.check).toEqual({ code: 0, output: '' });
    return `http://127.0.0.1:${port}`;
  }

  /** Check and cause of what the doctor finds wrong. */
  async function wrongWith(url: string, env: Record<string, string> = {}): Promise<string[]> {
    const given = { LLAMA_API_KEY_FILE: keys, ...env };
    const { text: shown } = await consult([url], { env: given, flags: { output: 'json' } });
    expect(shown).not.toContain('right-word');
    const { checks } = JSON.parse(shown).routers[0] as { checks: Record<string, string>[] };
    return checks
      .filter(({ mark }) => mark === 'warn' || mark === 'fail')
      .map(({ check, cause }) => `${check} ${cause}`);
  }

  test('a user, a password and an API key are accepted if it removes Authorization', async () => {
    const url = await proxied(
      `location / { ${PASSWORD} proxy_set_header Authorization ""; proxy_buffering off; proxy_pass ROUTER/; }`,
    );
    expect(await wrongWith(url, user)).toEqual([]);
    expect(await wrongWith(url)).toEqual(['key proxy_password']);
    expect(await wrongWith(url, { ...user, LLAMA_SERVER_PASSWORD: 'wrong' })).toEqual(['key proxy_password']);
    const exporter = await startExporter([url], {}, { LLAMA_API_KEY_FILE: keys, ...user });
    try {
      expect(await exporter.value('llama_router_up', { router: new URL(url).host })).toBe(1);
      await exporter.untilValue('llama_router_event_stream_connected', { router: new URL(url).host }, 1);
      expect(`${await exporter.scrape()}${exporter.log()}`).not.toContain('right-word');
    } finally {
      await exporter.stop();
    }
  });

  test('a user and a password that it passes on are taken for the API key', async () => {
    const url = await proxied(`location / { ${PASSWORD} proxy_pass ROUTER/; }`);
    expect(await wrongWith(url, user)).toEqual(['key key_wrong']);
  });

  test.each([
    ['only /v1/', 'location /v1/ { proxy_pass ROUTER/v1/; }', ['router only_v1']],
    [
      'the listing, but not the event stream',
      'location = /models { proxy_pass ROUTER/models; } location = /props { proxy_pass ROUTER/props; }',
      ['events no_event_stream'],
    ],
    ['another base path', 'location / { proxy_pass ROUTER/other/; }', ['router api_prefix']],
  ])('it passes %s', async (_, locations, causes) => {
    expect(await wrongWith(await proxied(locations))).toEqual(causes);
  });
});
