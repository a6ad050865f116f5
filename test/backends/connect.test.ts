import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Backend } from '../../src/backends/backend.ts';
import { connect } from '../../src/backends/connect.ts';
import type { RouterConfig } from '../../src/config/schema.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server that answers these paths with 200 and JSON, or with the given status. */
async function aServer(paths: Readonly<Record<string, unknown>>) {
  let current = paths;
  const asked: string[] = [];
  const answer: RequestListener = ({ url = '' }, response) => {
    asked.push(url);
    const body = current[url];
    if (body === STREAM) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      response.write(
        `data: ${JSON.stringify({ type: 'modelStatus', data: '[{"id":"a","state":"stopped"}]' })}\n\n`,
      );
      response.write(`data: ${JSON.stringify({ type: 'inflight', data: '{"operation":"snapshot"}' })}\n\n`);
      return;
    }
    const isPage = typeof body === 'string';
    response.writeHead(body === undefined ? 404 : 200, {
      'content-type': isPage ? 'text/html' : 'application/json',
    });
    response.end(isPage ? body : JSON.stringify(body ?? {}));
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    becomes(other: Readonly<Record<string, unknown>>) {
      current = other;
      asked.length = 0;
    },
  };
}

const STREAM = Symbol('stream');
const ROUTER = { '/models': { data: [{ id: 'a', status: { value: 'loaded' } }] }, '/models/sse': STREAM };
const SWAP = {
  '/models': { data: [{ id: 'a', owned_by: 'llama-swap', status: { value: 'unloaded' } }] },
  '/v1/models': { data: [{ id: 'a', owned_by: 'llama-swap', status: { value: 'unloaded' } }] },
  '/running': { running: [] },
  '/api/version': { version: '250' },
  '/api/events': STREAM,
};

const never = new AbortController().signal;

function aBackend(url: string, kind: RouterConfig['kind'] = 'auto'): Backend {
  const backend = connect({ url, requestTimeoutMs: 2000, modelTimeoutMs: 2000 }, kind);
  closing.push(backend.close);
  return backend;
}

/** The kind of the server that a stream is opened to; undefined when none is. */
async function streamOf(backend: Backend): Promise<string | undefined> {
  const ending = new AbortController();
  let kind: string | undefined;
  await backend.follow(
    ending.signal,
    () => {
      kind = backend.traits.kind;
      ending.abort();
    },
    () => {},
  );
  return kind;
}

describe('auto', () => {
  it('takes a router for one, with the requests that it gets otherwise', async () => {
    const { url, asked } = await aServer(ROUTER);
    const backend = aBackend(url);
    expect(await backend.list(never)).toMatchObject({ ok: true });
    expect(await streamOf(backend)).toBe('llama-server');
    expect(asked).toEqual(['/models', '/models/sse']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['with a list of models like that of a router', SWAP],
    ['before v250, without that list', { ...SWAP, '/models': undefined }],
  ])('recognises a llama-swap %s, by its listing or its stream', async (_, paths) => {
    const { url } = await aServer(paths);
    const listing = aBackend(url);
    expect(await listing.list(never)).toMatchObject({ ok: true, value: { models: [{ id: 'a' }] } });
    expect(listing.traits.kind).toBe('llama-swap');
    expect(await streamOf(aBackend(url))).toBe('llama-swap');
  });

  it('asks for the properties of a router only when it is one', async () => {
    const { url, asked } = await aServer(SWAP);
    const backend = aBackend(url);
    const [, props] = await Promise.all([backend.list(never), backend.props(never)]);
    expect(props).toEqual({ ok: true, value: { build: '250' } });
    expect(asked).not.toContain('/props');
  });

  it('says that a llama-swap is too old', async () => {
    const { url } = await aServer({ ...SWAP, '/models': undefined, '/api/version': { version: '239' } });
    expect(await aBackend(url).list(never)).toMatchObject({
      ok: false,
      fault: { message: expect.stringContaining('is llama-swap v239, but the exporter needs v240') },
    });
  });

  it('reports the fault of a router that was one as that of a router', async () => {
    const server = await aServer(ROUTER);
    const backend = aBackend(server.url);
    expect(await backend.list(never)).toMatchObject({ ok: true });
    server.becomes({ '/models': {}, '/api/version': { version: '100' } });
    const answer = await backend.list(never);
    expect(answer).toMatchObject({ ok: false, fault: { message: expect.stringContaining('/models') } });
    server.becomes(ROUTER);
    expect(await backend.list(never)).toMatchObject({ ok: true });
    expect(server.asked).toEqual(['/models']);
  });

  it('follows a server that is replaced by one of another kind', async () => {
    const server = await aServer(SWAP);
    const backend = aBackend(server.url);
    await backend.list(never);
    server.becomes(ROUTER);
    expect(await backend.list(never)).toMatchObject({ ok: true });
    expect(backend.traits.kind).toBe('llama-server');
    server.becomes(SWAP);
    expect(await backend.list(never)).toMatchObject({ ok: true });
    expect(backend.traits.kind).toBe('llama-swap');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a server without models', {}, '/models answers 404: not a llama-server in router mode'],
    [
      'a web page for every path',
      { '/models': '<html>', '/running': '<html>', '/api/version': '<html>' },
      '/models answers text/html instead of JSON',
    ],
  ])('is neither for %s, and says so as before', async (_, paths, message) => {
    const { url } = await aServer(paths);
    const backend = aBackend(url);
    for (let times = 0; times < 2; times += 1) {
      expect(await backend.list(never)).toMatchObject({
        ok: false,
        fault: { kind: 'not_a_router', message: expect.stringContaining(message) },
      });
    }
    expect(await streamOf(backend)).toBeUndefined();
  });
});

it('a configured kind is not doubted', async () => {
  const swap = await aServer(SWAP);
  expect(await aBackend(swap.url, 'llama-server').list(never)).toMatchObject({
    ok: false,
    fault: {
      message: expect.stringContaining('answered by a llama-swap: configure kind: llama-swap, or auto'),
    },
  });
  const router = await aServer(ROUTER);
  expect(await aBackend(router.url, 'llama-swap').list(never)).toMatchObject({
    ok: false,
    fault: { message: expect.stringContaining('/api/version answers 404: not a llama-swap') },
  });
  expect(router.asked).toEqual(['/api/version']);
});
