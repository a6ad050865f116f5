import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { consult } from '../doctor/consult.ts';
import { startExporter } from '../support/exporter.ts';
import { placeModel } from '../support/model-files.ts';
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
  const args = ['--host', socket, '--api-prefix', '/llama', '--api-key-file', keys, '--models-dir', models];
  args.push('-c', '256', '--threads', '1', '--no-ui', '--offline', '--metrics');
  const own = process.env.LLAMA_SERVER_BIN;
  const program = own ? { command: own } : { command: 'llama-server', root: sidRoot };
  router = await startRooted({ ...program, args, folders: [folder] }, join(folder, 'router.log'));
  await until('the router to answer', async () => (await send('GET', '/health')) === 200);
});

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
