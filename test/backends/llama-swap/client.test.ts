import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { SwapModelDescription } from '../../../simulator/swap/settings.ts';
import type { Backend } from '../../../src/backends/backend.ts';
import type { Endpoint } from '../../../src/backends/endpoint.ts';
import { createSwapClient } from '../../../src/backends/llama-swap/client.ts';
import { Secret } from '../../../src/lib/secret.ts';
import type { RouterEvent } from '../../../src/models/feed.ts';
import { type ScriptedServer, scriptHttp } from '../../support/scripted-server.ts';
import {
  startSimulatedSwap,
  type TestSwap,
  type TestSwapOptions,
} from '../../support/simulator/test-swap.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function aClient(url: string, given: Partial<Endpoint> = {}): Backend {
  const client = createSwapClient({ url, requestTimeoutMs: 20_000, modelTimeoutMs: 20_000, ...given });
  ends.push(client.close);
  return client;
}

const aModel = (id: string, given: Partial<SwapModelDescription> = {}): SwapModelDescription => ({
  id,
  loadSeconds: 0.01,
  tokensPerSecond: 100_000,
  unloadTimeoutSeconds: 0.05,
  ...given,
});

/** A llama-swap with the models a (alias x), b (unlisted) and c, which do not evict each other. */
async function aSwap(options: TestSwapOptions = {}): Promise<TestSwap> {
  const swap = await startSimulatedSwap({
    models: [aModel('a', { aliases: ['x'], ttlSeconds: 600 }), aModel('b', { unlisted: true }), aModel('c')],
    groups: { all: { members: ['a', 'b', 'c'], swap: false } },
    peers: { far: ['d'] },
    exitSeconds: 0.001,
    ...options,
  });
  ends.push(swap.stop);
  return swap;
}

async function aServer(
  script: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const server = await scriptHttp(script);
  ends.push(server.stop);
  return server;
}

/** Follows the stream of a client: what it heard, and how the stream ends. */
function follow(client: Backend) {
  const abort = new AbortController();
  const heard: ('opened' | RouterEvent)[] = [];
  const opened = () => heard.push('opened');
  const end = client.follow(abort.signal, opened, (event) => heard.push(event));
  return { heard, end, abort: () => abort.abort() };
}

async function connected(client: Backend) {
  const following = follow(client);
  await until('the work to be known', () => client.inFlight('a') !== undefined, { everyMs: 2 });
  return following;
}

async function listed(client: Backend): Promise<Record<string, string>> {
  const listing = await client.list(never);
  if (!listing.ok) throw new Error(listing.fault.message);
  return Object.fromEntries(listing.value.models.map(({ id, status }) => [id, status]));
}

describe('a listing', () => {
  it('before the stream has no unlisted models, unless they run', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    expect(await listed(client)).toEqual({ a: 'unloaded', c: 'unloaded' });
    await swap.request('b');
    expect(await listed(client)).toEqual({ a: 'unloaded', b: 'loaded', c: 'unloaded' });
  });

  it('has every model while the stream is connected, and keeps the unlisted ones after it', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    const { abort, end } = await connected(client);
    expect(await listed(client)).toEqual({ a: 'unloaded', b: 'unloaded', c: 'unloaded' });
    abort();
    await end;
    expect(await listed(client)).toEqual({ a: 'unloaded', b: 'unloaded', c: 'unloaded' });
    expect(swap.count('/v1/models')).toBe(1);
  });

  it('sends one request while the stream is connected: each is a line in the log of the llama-swap', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    await connected(client);
    const before = swap.requests.length;
    await client.list(never);
    await client.props(never);
    expect(swap.requests.slice(before)).toEqual(['GET /running']);
  });

  it('has the ttl, the process and the work of a loaded model', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    await connected(client);
    await swap.request('x');
    const listing = await client.list(never);
    expect(listing.ok && listing.value.models[0]).toMatchObject({
      id: 'a',
      aliases: ['x'],
      status: 'loaded',
      ttlSeconds: 600,
      sleepIdleSeconds: 0,
      inFlight: 0,
      process: { port: swap.portOf('a'), command: expect.stringContaining('llama-server') },
    });
  });

  it.each<[string, (request: IncomingMessage) => [number, string], object]>([
    [
      'it is too old',
      () => [200, '{"version":"228"}'],
      {
        kind: 'bad_answer',
        message: ' is llama-swap v228, but the exporter needs v240 or newer: update llama-swap',
      },
    ],
    [
      'it is none',
      () => [404, 'Not Found'],
      { kind: 'not_a_router', message: '/api/version answers 404: not a llama-swap' },
    ],
    [
      'it answers no list',
      ({ url }) => [200, url === '/running' ? '[]' : '{"version":"0"}'],
      { kind: 'bad_answer', message: '/running does not answer JSON with a list in "running"' },
    ],
    ['it fails', () => [500, 'oh no'], { kind: 'bad_answer', message: '/api/version answers 500: oh no' }],
  ])('fails because %s', async (_, script, { kind, message }: { kind?: string; message?: string }) => {
    const { url } = await aServer((request, response) => {
      const [status, body] = script(request);
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    });
    expect(await aClient(url).list(never)).toEqual({ ok: false, fault: { kind, message: url + message } });
  });
});

describe('authentication', () => {
  it.each<[string, Partial<Endpoint>]>([
    ['a Bearer token', { api_key: new Secret('key') }],
    ['a password', { username: 'someone', password: new Secret('key') }],
  ])('by %s', async (_, access) => {
    const swap = await aSwap({ apiKeys: ['key'] });
    expect(await listed(aClient(swap.url, access))).toMatchObject({ a: 'unloaded' });
  });

  it('with X-Api-Key, where a proxy takes the password', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const { url } = await aServer(({ headers }, response) => {
      seen.push(headers);
      response.end('{"version":"250"}');
    });
    const access = { api_key: new Secret('key'), username: 'proxy', password: new Secret('other') };
    await aClient(url, access).props(never);
    expect(seen).toMatchObject([
      { 'x-api-key': 'key', authorization: `Basic ${Buffer.from('proxy:other').toString('base64')}` },
    ]);
  });

  it('that is missing asks for a key, although the answer names Basic', async () => {
    const swap = await aSwap({ apiKeys: ['key'] });
    expect(await aClient(swap.url).list(never)).toEqual({
      ok: false,
      fault: {
        kind: 'unauthorized',
        message: `${swap.url}/api/version answers 401: it requires an API key (api_key), or another one`,
      },
    });
  });
});

describe('the event stream', () => {
  it('opens when models and requests are known', async () => {
    const { url } = await aServer(({ url: path }, response) => {
      if (path === '/api/version') return void response.end('{"version":"250"}');
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      const send = (type: string, data: unknown) =>
        response.write(`event:message\ndata:${JSON.stringify({ type, data: JSON.stringify(data) })}\n\n`);
      send('logData', { source: 'proxy', data: 'a prompt' });
      send('inflight', { operation: 'snapshot' });
      send('weather', {});
      send('modelStatus', [{ id: 'a', state: 'ready' }]);
      send('inflight', { operation: 'upsert', request: { id: '1', model: 'a' } });
      response.end();
    });
    const { heard, end } = follow(aClient(url));
    expect(await end).toEqual({ kind: 'ended' });
    expect(heard).toEqual([
      { name: 'other', kind: 'unknown' },
      'opened',
      { name: 'inflight', kind: 'work', model: 'a', inFlight: 1 },
    ]);
  });

  it('tells the work of a model without a request, until it ends', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    const { heard, end } = await connected(client);
    const request = swap.request('x', { seconds: 0.05 });
    await until('it to be busy', () => client.inFlight('a') === 1, { everyMs: 2 });
    await request;
    await until('it to be idle', () => client.inFlight('a') === 0, { everyMs: 2 });
    expect(heard).toEqual([
      'opened',
      { name: 'inflight', kind: 'work', model: 'a', inFlight: 1 },
      { name: 'modelStatus', kind: 'status', model: 'a', status: 'loading', begins: true },
      { name: 'modelStatus', kind: 'list_changed' },
      { name: 'modelStatus', kind: 'status', model: 'a', status: 'loaded', begins: false },
      { name: 'inflight', kind: 'work', model: 'a', inFlight: 1 },
      { name: 'inflight', kind: 'work', model: 'a', inFlight: 0 },
    ]);
    await swap.reload();
    expect(await end).toEqual({ kind: 'ended' });
    expect(client.inFlight('a')).toBeUndefined();
  });

  it('after a reload of the configuration shows other models', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    const { end } = await connected(client);
    await swap.reload({ models: [aModel('a'), aModel('z')], groups: {}, version: '251' });
    await end;
    await connected(client);
    expect(await listed(client)).toEqual({ a: 'unloaded', z: 'unloaded' });
    expect(await client.props(never)).toEqual({ ok: true, value: { build: '251' } });
  });

  it('asks for a listing at the first start of a model, which shows its command and port', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    const { heard } = await connected(client);
    const starts = () => heard.filter((each) => each !== 'opened' && each.kind === 'list_changed').length;
    const loaded = () => swap.request('a').then(() => listed(client));
    expect(await loaded()).toMatchObject({ a: 'loaded' });
    await until('the start to be known', () => starts() === 1, { everyMs: 2 });
    await client.unload('a', never);
    expect(await loaded()).toMatchObject({ a: 'loaded' });
    await swap.request('c');
    await until('the other start to be known', () => starts() === 2, { everyMs: 2 });
  });

  it('of an old version is not followed', async () => {
    const swap = await aSwap({ version: '239' });
    const { heard, end } = follow(aClient(swap.url));
    expect(await end).toMatchObject({ kind: 'fault', fault: { kind: 'bad_answer' } });
    expect(heard).toEqual([]);
  });
});

describe('an unload', () => {
  it.each(['a', 'x', 'b'])('of %s is answered when the process is gone', async (name) => {
    const swap = await aSwap();
    await swap.request(name);
    expect(await aClient(swap.url).unload(name, never)).toEqual({ ok: true, value: 'gone' });
    expect(swap.model(name).state).toBe('stopped');
  });

  it('of a model that is not running succeeds', async () => {
    const swap = await aSwap();
    expect(await aClient(swap.url).unload('a', never)).toEqual({ ok: true, value: 'gone' });
  });

  it.each(['org/model "8B" x:Q5 näme', 'a%2Fb', 'a?b#c', '../a//b', '/models/a.gguf'])(
    'of %j names it',
    async (id) => {
      const swap = await aSwap({ models: [aModel(id)], groups: {} });
      await swap.request(id);
      expect(await aClient(swap.url).unload(id, never)).toEqual({ ok: true, value: 'gone' });
      expect(swap.model(id).state).toBe('stopped');
    },
  );

  it('of an unknown model or one of a peer is refused', async () => {
    const client = aClient((await aSwap()).url);
    expect(await client.unload('missing', never)).toEqual({ ok: true, value: 'unknown_model' });
    expect(await client.unload('far/d', never)).toEqual({ ok: true, value: 'unknown_model' });
  });

  it('is not supported where the path is missing', async () => {
    const { url } = await aServer((_, response) => response.writeHead(404).end('404 page not found'));
    expect(await aClient(url).unload('a', never)).toEqual({ ok: true, value: 'unsupported' });
  });

  it('may take longer than other requests', async () => {
    const { url } = await aServer((_, response) => setTimeout(() => response.end('OK'), 150));
    const timeouts = { requestTimeoutMs: 50, unloadTimeoutMs: 20_000 };
    expect(await aClient(url, timeouts).unload('a', never)).toEqual({ ok: true, value: 'gone' });
    const hasty = { requestTimeoutMs: 20_000, unloadTimeoutMs: 50 };
    expect(await aClient(url, hasty).unload('a', never)).toMatchObject({ fault: { kind: 'timeout' } });
  });

  it('waits for the one before it, however long that takes', async () => {
    const client = aClient((await aSwap()).url);
    const order: string[] = [];
    let finish = () => {};
    const first = client.exclusive(async () => {
      order.push('first begins');
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      order.push('first ends');
    });
    const second = client.exclusive(async () => void order.push('second'));
    setTimeout(finish, 550); // More than the patience with a llama-server.
    await Promise.all([first, second]);
    expect(order).toEqual(['first begins', 'first ends', 'second']);
  });

  it('has no counterpart that loads', async () => {
    const swap = await aSwap();
    expect(await aClient(swap.url).load('a', never)).toEqual({ ok: true, value: 'unsupported' });
    expect(swap.requests).toEqual([]);
  });
});

describe("a model's own metrics", () => {
  it('come from the port of its process, and never load it', async () => {
    const swap = await aSwap();
    const client = aClient(swap.url);
    await connected(client);
    expect(await client.metrics('a', never)).toEqual({ ok: true, value: { kind: 'not_loaded' } });
    await swap.request('a');
    await until('its start to be known', () =>
      client.metrics('a', never).then((a) => a.ok && a.value.kind === 'text'),
    );
    const answer = await client.metrics('a', never);
    expect(answer).toMatchObject({
      value: { text: expect.stringContaining('llamacpp:requests_processing 0') },
    });
    expect(await client.slots('a', never)).toEqual({ ok: true, value: { kind: 'slots', processing: 0 } });
    expect(swap.violations).toEqual([]);
    expect(swap.count('/metrics')).toBe(0);
  });

  it('are asked without the credentials of the llama-swap', async () => {
    const asked: (string | undefined)[] = [];
    const { url } = await aServer(({ headers }, response) => {
      asked.push(headers.authorization ?? headers['x-api-key']?.toString());
      response.end('llamacpp:requests_processing 0\n');
    });
    const swap = await aSwap({
      models: [aModel('a', { proxy: `${url}/base` })],
      groups: {},
      apiKeys: ['key'],
    });
    await swap.request('a');
    const client = aClient(swap.url, {
      api_key: new Secret('key'),
      username: 'u',
      password: new Secret('key'),
    });
    await client.list(never);
    expect(await client.metrics('a', never)).toMatchObject({ value: { kind: 'text' } });
    expect(asked).toEqual([undefined]);
  });

  it.each<[string, number, string, string]>([
    ['its process answers 501', 501, '', '/metrics answers 501'],
    ['its process wants a key of its own', 401, '', '/metrics answers 401'],
    [
      'its port is that of a llama-swap',
      200,
      'llamaswap_load_average 1',
      '/metrics answers the metrics of a llama-swap',
    ],
  ])('are none while it lives when %s', async (_, status, body, why) => {
    const { url } = await aServer((_request, response) => response.writeHead(status).end(body));
    const swap = await aSwap({ models: [aModel('a', { proxy: url })], groups: {} });
    await swap.request('a');
    const client = aClient(swap.url);
    await client.list(never);
    expect(await client.metrics('a', never)).toEqual({ ok: true, value: { kind: 'none', why: url + why } });
  });

  it('are none when its port is on loopback of another machine', async () => {
    const swap = await aSwap();
    await swap.request('a');
    const client = aClient(swap.url, { local: 'no' });
    await client.list(never);
    expect(await client.metrics('a', never)).toEqual({
      ok: true,
      value: {
        kind: 'none',
        why: 'it listens on 127.0.0.1 of the machine of the llama-swap, which is not this one',
      },
    });
  });

  it.each([
    ['come after one broken connection', 1, { kind: 'text' }],
    ['are none after two', 2, { kind: 'none', why: expect.stringContaining('closed the connection') }],
  ])('%s', async (_, breaks, value) => {
    let asked = 0;
    const { url } = await aServer((_request, response) => {
      asked += 1;
      if (asked > breaks) response.end('llamacpp:requests_processing 0\n');
      else response.destroy();
    });
    const swap = await aSwap({ models: [aModel('a', { proxy: url })], groups: {} });
    await swap.request('a');
    const client = aClient(swap.url);
    await client.list(never);
    expect(await client.metrics('a', never)).toMatchObject({ ok: true, value });
  });

  it('fail while its process fails', async () => {
    const { url } = await aServer((_, response) => response.writeHead(503).end('{"error":"busy"}'));
    const swap = await aSwap({ models: [aModel('a', { proxy: url })], groups: {} });
    await swap.request('a');
    const client = aClient(swap.url);
    await client.list(never);
    expect(await client.metrics('a', never)).toMatchObject({ fault: { kind: 'bad_answer' } });
  });
});
