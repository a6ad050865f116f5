import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { followEvents } from '../../src/backends/event-stream.ts';
import type { RouterHttp, RouterStream } from '../../src/backends/http.ts';
import { createRouterClient } from '../../src/backends/llama-server/client.ts';
import { parseEvent } from '../../src/backends/llama-server/schemas.ts';
import type { RouterEvent, StreamEnd } from '../../src/models/feed.ts';
import { freePort } from '../support/free-port.ts';
import { type ScriptedServer, scriptHttp } from '../support/scripted-server.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const recorded = readFileSync(
  join(import.meta.dirname, '..', 'fixtures', 'router', 'sse-sleep-and-wake.sse'),
  'utf8',
);

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function aStream(script: (response: ServerResponse) => void): Promise<ScriptedServer> {
  const server = await scriptHttp((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    script(response);
  });
  ends.push(server.stop);
  return server;
}

/** Follows the events of a URL: those received so far, and how the stream ends. */
function follow(url: string, requestTimeoutMs = 2000) {
  const client = createRouterClient({ url, requestTimeoutMs, modelTimeoutMs: requestTimeoutMs });
  ends.push(client.close);
  const abort = new AbortController();
  const heard: ('opened' | RouterEvent)[] = [];
  const end = client.follow(
    abort.signal,
    () => heard.push('opened'),
    (event) => heard.push(event),
  );
  return { abort: () => abort.abort(), heard, end, close: client.close };
}

const saying = (status: string, model = 'a') =>
  `data: ${JSON.stringify({ model, event: 'status_change', data: { status } })}\n\n`;
const turned = (status: string, model = 'a') => ({
  name: 'status_change',
  kind: 'status',
  model,
  status,
  begins: false,
});

describe('a connected stream', () => {
  it('is open before its first event', async () => {
    const { url } = await aStream(() => {});
    const { heard, abort, end } = follow(url);
    await until('the stream to open', () => heard.length > 0, { everyMs: 2 });
    expect(heard).toEqual(['opened']);
    abort();
    expect(await end).toEqual({ kind: 'ended' });
  });

  it('outlives the request timeout', async () => {
    const server = await aStream((response) => {
      setTimeout(() => response.write(saying('loaded')), 450);
    });
    const { heard, abort } = follow(server.url, 300);
    await until('the late event', () => heard.length === 2, { everyMs: 2 });
    expect(heard).toEqual(['opened', turned('loaded')]);
    abort();
    await server.emptied();
  });

  it('delivers the events of a simulated router in order', async () => {
    const router = createTestRouter({
      models: [{ id: 'über/a b:"q"', loadSeconds: 0.005 }],
      exitSeconds: 0.001,
    });
    await router.listen();
    ends.push(router.stop);
    const { heard, abort, end } = follow(router.url);
    await until('the stream to open', () => heard.length === 1, { everyMs: 2 });
    await router.load('über/a b:"q"');
    const statuses = () =>
      heard.flatMap((event) => (event !== 'opened' && event.kind === 'status' ? [event.status] : []));
    await until('the end of the load', () => statuses().includes('loaded'), { everyMs: 2 });
    router.unload('über/a b:"q"');
    await until('the unload', () => statuses().includes('unloaded'), { everyMs: 2 });
    expect([...new Set(statuses())]).toEqual(['loading', 'loaded', 'unloaded']);
    expect(
      heard.every((event) => event === 'opened' || ('model' in event && event.model === 'über/a b:"q"')),
    ).toBe(true);
    abort();
    expect(await end).toEqual({ kind: 'ended' });
    await until('the listener to leave', () => router.stream.listeners === 0, { everyMs: 2 });
  });

  it('is requested under the base path, as an event stream', async () => {
    let asked = '';
    const server = await scriptHttp((request, response) => {
      asked = `${request.method} ${request.url} ${request.headers.accept}`;
      response.writeHead(200, { 'Content-Type': 'TEXT/Event-Stream; charset=utf-8' }).end(saying('loaded'));
    });
    ends.push(server.stop);
    const { end, heard } = follow(`${server.url}/llama/`);
    expect(await end).toEqual({ kind: 'ended' });
    expect(asked).toBe('GET /llama/models/sse text/event-stream');
    expect(heard).toHaveLength(2);
  });
});

describe('a stream that cannot be opened', () => {
  const answering = async (status: number, type = 'text/plain', body = '') => {
    const server = await scriptHttp((_, response) => {
      response.writeHead(status, { 'Content-Type': type }).end(body);
    });
    ends.push(server.stop);
    return server;
  };

  it.each<[string, number, string]>([
    ['no such path, as in December 2025', 404, 'application/json'],
    ['a web page for every path', 200, 'text/html'],
    ['JSON', 200, 'application/json'],
    ['another address', 302, 'text/html'],
    ['no such method', 405, 'text/plain'],
    ['a similar content type', 200, 'text/event-streams'],
  ])('is not supported: %s', async (_, status, type) => {
    const server = await answering(status, type, '<!doctype html>');
    const { end, heard } = follow(server.url);
    expect(await end).toEqual({ kind: 'unsupported' });
    expect(heard).toEqual([]);
    await server.emptied();
  });

  it.each<[number, string, string]>([
    [401, 'unauthorized', 'answers 401: it requires an API key (api_key), or another one'],
    [403, 'unauthorized', 'answers 403: it requires an API key (api_key), or another one'],
    [500, 'bad_answer', 'answers 500'],
    [502, 'bad_answer', 'answers 502'],
  ])('is a fault with %i', async (status, kind, message) => {
    const server = await answering(status);
    expect(await follow(server.url).end).toEqual({
      kind: 'fault',
      fault: { kind, message: `${server.url}/models/sse ${message}` },
    });
    await server.emptied();
  });

  it('is a fault when the port is closed', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await follow(url).end).toEqual({
      kind: 'fault',
      fault: {
        kind: 'unreachable',
        message: `${url}/models/sse refuses connections: is the server running there?`,
      },
    });
  });

  it('is a fault when the headers do not come in time', async () => {
    const server = await scriptHttp(() => {});
    ends.push(server.stop);
    expect(await follow(server.url, 40).end).toEqual({
      kind: 'fault',
      fault: { kind: 'timeout', message: `${server.url}/models/sse did not answer within 0.04 s` },
    });
    await server.emptied();
  });
});

describe('a stream that ends', () => {
  it('properly has ended, and half an event is dropped', async () => {
    const server = await aStream((response) => {
      response.end(`${saying('loaded')}data: {"model":"a","event":"status_change","data":{"status":"unl`);
    });
    const { end, heard } = follow(server.url);
    expect(await end).toEqual({ kind: 'ended' });
    expect(heard).toEqual(['opened', turned('loaded')]);
    await server.emptied();
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['cut', (response) => response.socket?.destroy()],
    ['reset', (response) => response.socket?.resetAndDestroy()],
  ])('because it was %s is a fault, after the events before', async (_, cut) => {
    const server = await aStream(async (response) => {
      response.write(saying('loaded'));
      await sleep(5);
      cut(response);
    });
    const { end, heard } = follow(server.url);
    expect(await end).toEqual({
      kind: 'fault',
      fault: {
        kind: 'unreachable',
        message: `${server.url}/models/sse closed the connection before its answer was complete`,
      },
    });
    expect(heard).toEqual(['opened', turned('loaded')]);
  });

  it('because its event never ends is a bad answer, and is closed', async () => {
    const server = await aStream((response) => {
      const more = () => {
        while (!response.destroyed && response.write('data: '.padEnd(65536, 'x')));
      };
      response.on('drain', more);
      more();
    });
    expect(await follow(server.url).end).toEqual({
      kind: 'fault',
      fault: {
        kind: 'bad_answer',
        message: `${server.url}/models/sse sent 8388608 bytes without the end of an event`,
      },
    });
    await server.emptied();
  });

  it('by an abort is no fault, and leaves no connection', async () => {
    const server = await aStream((response) => response.write(saying('loaded')));
    const { end, heard, abort } = follow(server.url);
    await until('the event', () => heard.length === 2, { everyMs: 2 });
    abort();
    expect(await end).toEqual({ kind: 'ended' });
    await server.emptied();
  });

  it('with its client: close leaves no connection', async () => {
    const server = await aStream(() => {});
    const { heard, close, end } = follow(server.url);
    await until('the stream to open', () => heard.length > 0, { everyMs: 2 });
    await close();
    expect((await end).kind).toBe('fault');
    await server.emptied();
  });
});

describe('the text of a stream', () => {
  /** A stream of exactly these chunks. */
  async function read(chunks: readonly (string | Uint8Array)[], event?: (event: RouterEvent) => void) {
    const heard: RouterEvent[] = [];
    const response: RouterStream = {
      status: 200,
      contentType: 'text/event-stream',
      server: 'llama.cpp',
      location: '',
      authenticate: '',
      url: 'http://router/models/sse',
      chunks: (async function* () {
        for (const chunk of chunks) yield Buffer.from(chunk);
      })(),
      close: () => {},
    };
    const http = { open: async () => ({ ok: true, value: response }) } as unknown as RouterHttp;
    const end: StreamEnd = await followEvents(
      http,
      '/models/sse',
      new AbortController().signal,
      () => {},
      (data) => (event ?? ((e) => heard.push(e)))(parseEvent(data)),
    );
    return { heard, end };
  }
  const heardOf = async (...chunks: (string | Uint8Array)[]) => (await read(chunks)).heard;

  it.each<[string, string]>([
    ['line feeds', 'data: X\n\n'],
    ['carriage returns and line feeds', 'data: X\r\n\r\n'],
    ['carriage returns', 'data: X\r\rdata: Y\r\r'.replace('data: Y\r\r', '\n')],
    ['no space after the colon', 'data:X\n\n'],
    ['comments', ': hello\n:\ndata: X\n: more\n\n'],
    ['other fields', 'id: 7\nevent: status\nretry: 1000\ndata: X\nnonsense\n\n'],
    ['empty events around', '\n\n\ndata: X\n\n\n\n'],
    ['a byte order mark', '\ufeffdata: X\n\n'],
  ])('may have %s', async (_, text) => {
    const json = JSON.stringify({ model: 'a', event: 'status_change', data: { status: 'loaded' } });
    expect(await heardOf(text.replace('X', json))).toEqual([turned('loaded')]);
  });

  it('may have an event on several data lines', async () => {
    const text = 'data: {"model":"a",\ndata: "event":"status_change",\ndata: "data":{"status":"loaded"}}\n\n';
    expect(await heardOf(text)).toEqual([turned('loaded')]);
  });

  it('may have unknown events: they are counted, and the next one is delivered', async () => {
    const other = { name: 'other', kind: 'unknown' };
    expect(await heardOf('data: hello\n\n', 'data\n\n', 'data: \n\n', saying('loaded'))).toEqual([
      other,
      other,
      other,
      turned('loaded'),
    ]);
  });

  it('may have any number of heartbeats: comments are no endless event', async () => {
    const beats = Array.from({ length: 40 }, () => ': still here\n\n'.repeat(4000));
    expect(await read([...beats, saying('loaded')])).toEqual({
      heard: [turned('loaded')],
      end: { kind: 'ended' },
    });
  });

  it('may be split anywhere, within a character too', async () => {
    const text =
      recorded + saying('loaded', 'größe 模型 🦙').replaceAll('\n', '\r\n') + saying('sleeping', 'ü');
    const bytes = Buffer.from(text);
    const whole = await heardOf(bytes);
    expect(whole.slice(-2)).toEqual([turned('loaded', 'größe 模型 🦙'), turned('sleeping', 'ü')]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 40 }), async (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
        expect(await heardOf(...chunks)).toEqual(whole);
      }),
    );
    expect(await heardOf(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it('may be anything without an exception', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.uint8Array(), fc.constantFrom('data: ', '\n', '\r', ':', '\n\n'))),
        async (chunks) => {
          expect((await read(chunks)).end).toEqual({ kind: 'ended' });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does not hide an error of its listener', async () => {
    const broken = () => {
      throw new Error('a bug of ours');
    };
    await expect(read([saying('loaded')], broken)).rejects.toThrow('a bug of ours');
  });
});
