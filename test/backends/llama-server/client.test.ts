import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Backend } from '../../../src/backends/backend.ts';
import { createRouterClient } from '../../../src/backends/llama-server/client.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { freePort } from '../../support/free-port.ts';
import { type ScriptedServer, scriptHttp, scriptTcp } from '../../support/scripted-server.ts';
import { createTestRouter } from '../../support/simulator/test-router.ts';
import { until } from '../../support/until.ts';

const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'router', name), 'utf8');
const LISTING = '{"data":[{"id":"a","status":{"value":"loaded"}}]}';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function aClient(url: string, given: { requestTimeoutMs?: number; api_key?: Secret } = {}): Backend {
  const client = createRouterClient({ url, requestTimeoutMs: 20_000, modelTimeoutMs: 20_000, ...given });
  ends.push(client.close);
  return client;
}

async function aServer(
  script: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const server = await scriptHttp(script);
  ends.push(server.stop);
  return server;
}

const answering = (status: number, body = '', type = 'application/json') =>
  aServer((_, response) => {
    response.writeHead(status, { 'Content-Type': type }).end(body);
  });

const never = new AbortController().signal;

async function faultOfListing(url: string, requestTimeoutMs = 20_000) {
  const answer = await aClient(url, { requestTimeoutMs }).list(never);
  if (answer.ok) throw new Error('a fault was expected');
  return answer.fault;
}

describe('a listing fails', () => {
  it('because the port is closed', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await faultOfListing(url)).toEqual({
      kind: 'unreachable',
      message: `${url}/models refuses connections: is the server running there?`,
    });
  });

  it('because no address of the host accepts connections', async () => {
    const url = `http://localhost:${await freePort()}`;
    expect(await faultOfListing(url)).toEqual({
      kind: 'unreachable',
      message: `${url}/models refuses connections: is the server running there?`,
    });
  });

  it.each<[string, number, string, string, { kind: string; message: string }]>([
    [
      'a key is wanted',
      401,
      '{"error":{"message":"Invalid API Key"}}',
      'application/json',
      { kind: 'unauthorized', message: 'answers 401: it requires an API key (api_key), or another one' },
    ],
    [
      'the key is not enough',
      403,
      '',
      'text/html',
      { kind: 'unauthorized', message: 'answers 403: it requires an API key (api_key), or another one' },
    ],
    [
      'there is no such path',
      404,
      'Not Found',
      'text/plain',
      { kind: 'not_a_router', message: 'answers 404: not a llama-server in router mode' },
    ],
    [
      'only POST is served',
      405,
      '',
      'text/plain',
      { kind: 'not_a_router', message: 'answers 405: not a llama-server in router mode' },
    ],
    [
      'it fails',
      500,
      'proxy error:\n  Could not establish connection',
      'text/plain',
      { kind: 'bad_answer', message: 'answers 500: proxy error: Could not establish connection' },
    ],
    [
      'the answer is 503 without a text',
      503,
      '',
      'text/plain',
      { kind: 'bad_answer', message: 'answers 503' },
    ],
    [
      'it fails with many words',
      502,
      'x'.repeat(1000),
      'text/html',
      { kind: 'bad_answer', message: `answers 502: ${'x'.repeat(120)}` },
    ],
    ['the answer is a redirect', 302, '', 'text/plain', { kind: 'bad_answer', message: 'answers 302' }],
    [
      'it is a web page',
      200,
      '<!doctype html>',
      'text/html',
      { kind: 'not_a_router', message: 'answers text/html instead of JSON' },
    ],
    [
      'it is empty',
      200,
      '',
      'application/json',
      { kind: 'bad_answer', message: 'answers invalid or incomplete JSON' },
    ],
    [
      'it is empty and of no type',
      200,
      '',
      '',
      { kind: 'not_a_router', message: 'answers something instead of JSON' },
    ],
    [
      'it is half',
      200,
      LISTING.slice(0, 20),
      'application/json',
      { kind: 'bad_answer', message: 'answers invalid or incomplete JSON' },
    ],
    [
      'it is no list',
      200,
      '{"models":[]}',
      'application/json',
      { kind: 'bad_answer', message: 'answers JSON without a list of models in "data"' },
    ],
  ])('because %s', async (_, status, body, type, { kind, message }) => {
    const { url } = await answering(status, body, type);
    expect(await faultOfListing(url)).toEqual({ kind, message: `${url}/models ${message}` });
  });

  it('because the server does not speak HTTP', async () => {
    const server = await scriptTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    ends.push(server.stop);
    expect(await faultOfListing(server.url)).toEqual({
      kind: 'not_a_router',
      message: `${server.url}/models does not speak HTTP`,
    });
  });

  it('because the URL is https and the server speaks http', async () => {
    const { port } = await answering(200, LISTING);
    const url = `https://127.0.0.1:${port}`;
    expect(await faultOfListing(url)).toEqual({
      kind: 'unreachable',
      message: `${url}/models does not speak TLS: is it http:// instead of https://?`,
    });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['before its headers', () => {}],
    ['within its body', (response) => void response.writeHead(200, { 'Content-Length': 100 }).write(LISTING)],
    [
      'one byte at a time',
      (response) => {
        const drip = setInterval(() => response.write(' '), 5);
        response.on('close', () => clearInterval(drip));
      },
    ],
  ])('because it hangs %s', async (_, script) => {
    const server = await aServer((_request, response) => script(response));
    expect(await faultOfListing(server.url, 40)).toEqual({
      kind: 'timeout',
      message: `${server.url}/models did not answer within 0.04 s`,
    });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['at once', (response) => response.socket?.resetAndDestroy()],
    [
      'within its body',
      (response) => {
        response.writeHead(200, { 'Content-Length': 100 }).write(LISTING);
        setImmediate(() => response.socket?.destroy());
      },
    ],
    [
      'within a chunk',
      (response) => {
        response.writeHead(200).write(LISTING);
        setImmediate(() => response.socket?.resetAndDestroy());
      },
    ],
  ])('because the connection ends %s', async (_, script) => {
    const server = await aServer((_request, response) => script(response));
    expect(await faultOfListing(server.url)).toEqual({
      kind: 'unreachable',
      message: `${server.url}/models closed the connection before its answer was complete`,
    });
  });

  it('because the answer is too long, without reading all of it', async () => {
    const router = createTestRouter();
    await router.listen();
    ends.push(router.stop);
    router.faults.next({ on: '/metrics', kind: 'huge_body' });
    const answer = await aClient(router.url).metrics('a', never);
    expect(answer).toEqual({
      ok: false,
      fault: {
        kind: 'bad_answer',
        message: `${router.url}/metrics?model=a&autoload=false answers more than 4194304 bytes`,
      },
    });
  });
});

describe('after a fault', () => {
  it('the next request succeeds', async () => {
    const router = createTestRouter({ models: [{ id: 'a' }] });
    await router.listen();
    ends.push(router.stop);
    const client = aClient(router.url, { requestTimeoutMs: 700 });
    for (const kind of ['hang', 'reset', 'garbage', 'empty'] as const) {
      router.faults.next({ on: '/models', kind });
      expect((await client.list(never)).ok).toBe(false);
      expect((await client.list(never)).ok).toBe(true);
    }
  });

  it('a slow answer within the timeout succeeds', async () => {
    const router = createTestRouter({ models: [{ id: 'a' }] });
    await router.listen();
    ends.push(router.stop);
    router.faults.next({ on: '/models', kind: 'slow_body', seconds: 0.04 });
    expect(await aClient(router.url).list(never)).toMatchObject({
      ok: true,
      value: { models: [{ id: 'a' }] },
    });
  });
});

describe('a listing tells loads from wakes', () => {
  const model = (id: string, value: string, meta?: object) => ({ id, status: { value }, meta });

  it.each([
    ['where it has facts of a loaded model', [model('a', 'loaded', {}), model('b', 'loading')], false],
    ['but not where it has none', [model('a', 'loaded'), model('b', 'loading')], undefined],
    ['but not where no model is loaded', [model('b', 'loading')], undefined],
    ['where the model itself has facts', [model('b', 'loading', {})], true],
  ])('%s', async (_, data, expected) => {
    const { url } = await answering(200, JSON.stringify({ data }));
    const answer = await aClient(url).list(never);
    expect(answer.ok && answer.value.models.find(({ id }) => id === 'b')?.hasLoaded).toBe(expected);
  });
});

describe('listings of a client', () => {
  it.each([
    ['are parsed once while only the time of the answer differs', { created: 2 }, true],
    ['are parsed again when anything else differs', { created: 2, aliases: ['b'] }, false],
  ])('%s', async (_, second, isSame) => {
    const entries = [
      { id: 'a', created: 1 },
      { id: 'a', ...second },
    ];
    const { url } = await aServer((_, response) => {
      response.writeHead(200, JSON_TYPE).end(JSON.stringify({ data: [entries.shift()] }));
    });
    const client = aClient(url);
    const answers = [await client.list(never), await client.list(never)];
    const [first, latest] = answers.map((answer) => answer.ok && answer.value);
    expect(first === latest).toBe(isSame);
    expect(latest).toMatchObject({ models: [{ id: 'a', aliases: isSame ? [] : ['b'] }] });
  });
});

describe('the request', () => {
  async function asked(
    url: (base: string) => string,
    ask: (client: Backend) => Promise<unknown>,
    apiKey?: Secret,
  ) {
    const requests: { line: string; headers: IncomingMessage['headers']; body: string }[] = [];
    const server = await aServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      requests.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      response.end('{"success":true}');
    });
    await ask(aClient(url(server.url), apiKey && { api_key: apiKey }));
    return requests[0];
  }

  it.each<[string, string, string]>([
    ['no path', '', 'GET /models'],
    ['a slash', '/', 'GET /models'],
    ['a base path', '/llama', 'GET /llama/models'],
    ['a base path with slashes', '/a/llama//', 'GET /a/llama/models'],
  ])('goes to a URL with %s', async (_, path, line) => {
    expect(
      (
        await asked(
          (base) => base + path,
          (client) => client.list(never),
        )
      )?.line,
    ).toBe(line);
  });

  it.each([
    'a b',
    'owner/repo:Q4_K_M',
    'say "hi"',
    'über',
    '模型',
    'a&autoload=true',
    'a#b',
    'a?b',
    '../../models',
    'a%20b',
  ])('never loads the model %s to read its metrics', async (model) => {
    const request = await asked(
      (base) => base,
      (client) => client.metrics(model, never),
    );
    const url = new URL(request?.line.split(' ')[1] ?? '', 'http://router');
    expect(url.pathname).toBe('/metrics');
    expect([...url.searchParams]).toEqual([
      ['model', model],
      ['autoload', 'false'],
    ]);
  });

  it.each(['a b', 'owner/repo:Q4_K_M', 'say "hi"', 'über', '模型', 'line\nbreak'])(
    'names the model %j in JSON',
    async (model) => {
      const request = await asked(
        (base) => base,
        (client) => client.unload(model, never),
      );
      expect(request).toMatchObject({
        line: 'POST /models/unload',
        headers: { 'content-type': 'application/json' },
      });
      expect(JSON.parse(request?.body ?? '')).toEqual({ model });
    },
  );

  it('has the API key, if there is one', async () => {
    const authorization = async (key?: Secret) =>
      (
        await asked(
          (base) => base,
          (client) => client.list(never),
          key,
        )
      )?.headers.authorization;
    expect(await authorization(new Secret('s3cret'))).toBe('Bearer s3cret');
    // Node reads a header as Latin-1, llama-server compares the bytes.
    const bytes = Buffer.from((await authorization(new Secret('schlüssel-模'))) ?? '', 'latin1');
    expect(bytes.toString('utf8')).toBe('Bearer schlüssel-模');
    expect(await authorization()).toBeUndefined();
  });

  it('never shows the key in a message', async () => {
    const hostile = await aServer((request, response) => {
      if (request.url === '/models') response.writeHead(500).end('no');
      else response.writeHead(401).end('no');
    });
    const urls = [hostile.url, `http://127.0.0.1:${await freePort()}`];
    for (const key of ['s3cret', 's3cret-ü-模']) {
      for (const url of urls) {
        const client = aClient(url, { api_key: new Secret(key) });
        const answers = await Promise.all([
          client.list(never),
          client.props(never),
          client.unload('a', never),
          client.follow(
            never,
            () => {},
            () => {},
          ),
        ]);
        expect(JSON.stringify(answers)).not.toContain('s3cret');
      }
    }
  });
});

describe('the answer to an order', () => {
  it.each<[number, string, unknown]>([
    [200, recorded('unload-ok.json'), 'accepted'],
    [400, recorded('unload-not-running.error.json'), 'not_running'],
    [400, recorded('unload-unknown-model.error.json'), 'unknown_model'],
    [404, '{"error":{"message":"model \'a\' not found"}}', 'unknown_model'],
    [404, '{"error":{"message":"File Not Found"}}', 'unsupported'],
    [404, '<html>nginx</html>', 'unsupported'],
    [405, '{"detail":"Method Not Allowed"}', 'unsupported'],
    [501, '', 'unsupported'],
  ])('unload, %i %s is %s', async (status, body, wanted) => {
    const { url } = await answering(status, body);
    expect(await aClient(url).unload('a', never)).toEqual({ ok: true, value: wanted });
  });

  it.each<[number, string, string, string]>([
    [
      401,
      recorded('unauthorized.error.json'),
      'unauthorized',
      'answers 401: it requires an API key (api_key), or another one',
    ],
    [
      500,
      '{"error":{"code":500,"message":"model limit reached"}}',
      'bad_answer',
      'answers 500: {"error":{"code":500,"message":"model limit reached"}}',
    ],
    [400, '{"error":"text"}', 'bad_answer', 'answers 400: {"error":"text"}'],
    [400, 'null', 'bad_answer', 'answers 400: null'],
  ])('unload, %i %s is a fault', async (status, body, kind, message) => {
    const { url } = await answering(status, body);
    expect(await aClient(url).unload('a', never)).toEqual({
      ok: false,
      fault: { kind, message: `${url}/models/unload ${message}` },
    });
  });
});

describe("a model's metrics", () => {
  it.each<[number, string, unknown]>([
    [200, recorded('metrics-loaded-idle.prom'), { kind: 'text', text: recorded('metrics-loaded-idle.prom') }],
    [400, recorded('metrics-not-loaded.error.json'), { kind: 'not_loaded' }],
    [400, '{"error":{"message":"model \'a\' not found"}}', { kind: 'not_loaded' }],
    [501, '{"error":{"message":"This server does not support metrics endpoint."}}', { kind: 'disabled' }],
    [404, '{"detail":"Not Found"}', { kind: 'disabled' }],
    [405, '', { kind: 'disabled' }],
  ])('with %i', async (status, body, value) => {
    const { url } = await answering(status, body);
    expect(await aClient(url).metrics('a', never)).toEqual({ ok: true, value });
  });

  it('without an answer of the router are a fault', async () => {
    const { url } = await answering(400, recorded('metrics-no-model.error.json'));
    expect(await aClient(url).metrics('a', never)).toMatchObject({
      ok: false,
      fault: { kind: 'bad_answer' },
    });
  });
});

describe('props', () => {
  it('of another server are a fault', async () => {
    const { url } = await answering(200, '{"default_generation_settings":{},"build_info":"b1"}');
    expect(await aClient(url).props(never)).toEqual({
      ok: false,
      fault: {
        kind: 'not_a_router',
        message: `${url}/props does not say "role":"router": a llama-server started with -m, an old build or another server`,
      },
    });
  });

  it('of a router', async () => {
    const { url } = await answering(200, recorded('props-router.json'));
    expect(await aClient(url).props(never)).toMatchObject({ ok: true, value: { modelsMax: 2 } });
  });
});

describe('an abort', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['before the headers', () => {}],
    ['within the body', (response) => void response.writeHead(200).write('{')],
  ])('ends a call %s promptly', async (_, script) => {
    let heard = () => {};
    const arrived = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const server = await aServer((_request, response) => {
      script(response);
      heard();
    });
    const client = aClient(server.url, { requestTimeoutMs: 60_000 });
    const abort = new AbortController();
    const answer = client.list(abort.signal);
    await arrived;
    const at = performance.now();
    abort.abort();
    expect((await answer).ok).toBe(false);
    expect(performance.now() - at).toBeLessThan(20_000); // Its own timeout is a minute.
    await client.close();
    await server.emptied();
  });

  it('ends a call that waits for the connection behind another one', async () => {
    const server = await aServer(() => {});
    const client = aClient(server.url, { requestTimeoutMs: 60_000 });
    const [first, second] = [new AbortController(), new AbortController()];
    const hanging = client.list(first.signal);
    const waiting = client.props(second.signal);
    second.abort();
    expect((await waiting).ok).toBe(false);
    first.abort();
    expect((await hanging).ok).toBe(false);
  });

  it.each(['list', 'unload', 'follow'] as const)(
    'ends %s while the connection is not accepted',
    async (call) => {
      // An address for documentation: packets to it are dropped or refused.
      const client = aClient('http://192.0.2.1:8080', { requestTimeoutMs: 60_000 });
      const abort = new AbortController();
      setTimeout(() => abort.abort(), 20);
      const calls = {
        list: () => client.list(abort.signal),
        unload: () => client.unload('a', abort.signal),
        follow: () =>
          client.follow(
            abort.signal,
            () => {},
            () => {},
          ),
      };
      const at = performance.now();
      await calls[call]();
      expect(performance.now() - at).toBeLessThan(20_000);
    },
  );

  it('before the call ends it at once', async () => {
    const server = await aServer(() => {});
    expect((await aClient(server.url).list(AbortSignal.abort())).ok).toBe(false);
  });
});

describe('connections', () => {
  it('are reused for reads, one at a time: several at once can freeze a router', async () => {
    let open = 0;
    let most = 0;
    const server = await aServer((_request, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end(LISTING);
      }, 2);
    });
    const client = aClient(server.url);
    await Promise.all(Array.from({ length: 8 }, () => client.list(never)));
    expect([server.accepted, most]).toEqual([1, 1]);
  });

  it('are all closed by close, those of pending calls too', async () => {
    const server = await aServer((request, response) => {
      if (request.url === '/props') response.end('{}');
    });
    const client = createRouterClient({ url: server.url, requestTimeoutMs: 60_000, modelTimeoutMs: 60_000 });
    await client.props(never);
    const calls = [
      client.list(never),
      client.unload('a', never),
      client.follow(
        never,
        () => {},
        () => {},
      ),
    ];
    await until('two connections', () => server.connections > 1, { everyMs: 2 });
    await client.close();
    expect(await Promise.all(calls.slice(0, 2))).toMatchObject([{ ok: false }, { ok: false }]);
    await server.emptied();
  });
});
