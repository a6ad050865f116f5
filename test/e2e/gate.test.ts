import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { freePort } from '../support/free-port.ts';
import { releaseAll } from '../support/holds-of.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { statusesOf } from '../support/orders.ts';
import { childrenOf, suspend } from '../support/process-table.ts';
import { complete, oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { type RootedProcess, startRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { substitute } from '../support/substitute.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');
const SHIPPED = join(CHECKOUT, 'deploy', 'nginx', 'llama-gate.conf');
const MAIN = join(CHECKOUT, 'dist', 'main.mjs');

/** The gate is given up after 300 ms; nginx's own timeout, 60 s, would be noticed on any machine. */
const OPENS_MS = 20_000;

let router: RealRouter;
let exporter: RunningExporter;
let nginx: Nginx;
/** The nginx in front of the router. */
let front: { url: string; apiKey: undefined };

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'mid'], sleepIdleSeconds: 3600 });
  exporter = await startExporter([router.url]);
  const port = await freePort();
  front = { url: `http://127.0.0.1:${port}`, apiKey: undefined };
  nginx = await startNginx(patient(shippedFor({ exporter: exporter.service.port, front: port })), port);
});

afterAll(async () => {
  await nginx?.stop();
  await exporter?.stop();
  await router?.stop();
});

/** The shipped file with other addresses. */
function shippedFor(ports: { exporter: number; front: number }): string {
  return substitute(readFileSync(SHIPPED, 'utf8'), [
    { of: 'server 127.0.0.1:8080;', by: `server 127.0.0.1:${router.port};` },
    { of: 'server 127.0.0.1:10180;', by: `server 127.0.0.1:${ports.exporter};` },
    { of: 'listen 8000;', by: `listen 127.0.0.1:${ports.front};` },
  ]);
}

/** A longer timeout of the gate, for busy machines. Other tests cover the timeout of the shipped file. */
function patient(text: string): string {
  const lines = text.match(/proxy_(connect|send|read)_timeout +300ms;/g) ?? [];
  expect(lines).toHaveLength(3);
  return substitute(
    text,
    lines.map((line) => ({ of: line, by: line.replace('300ms', '10s') })),
  );
}

async function hold(seconds = 600, url = exporter.url): Promise<void> {
  const answer = await fetch(`${url}/api/v1/holds`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ttl_seconds: seconds, reason: 'a "training"' }),
  });
  expect(answer.status).toBe(201);
}

async function release(): Promise<void> {
  expect(await releaseAll(exporter.url)).toBe(1);
}

/** A request through nginx. */
async function ask(method: string, path: string, body?: object) {
  const answer = await fetch(front.url + path, {
    method,
    headers: { 'Content-Type': 'application/json', Origin: 'http://chat.example', ...oneAnswer },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

const chat = (model: string, more: object = {}) => ({
  ...{ model, messages: [{ role: 'user', content: 'a' }], max_tokens: 3, ...more },
});

it('is a valid nginx configuration', () => {
  expect(nginx.check).toEqual({ code: 0, output: '' });
});

describe('while the router is held', () => {
  beforeAll(() => hold());
  afterAll(release);

  it.each<[string, string, object | undefined]>([
    ['POST', '/v1/chat/completions', chat('tiny-a')],
    ['POST', '/chat/completions', chat('tiny-a')],
    ['POST', '/v1/completions', { model: 'tiny-a', prompt: 'a', max_tokens: 1 }],
    ['POST', '/completion', { model: 'tiny-a', prompt: 'a', n_predict: 1 }],
    ['POST', '/v1/messages', chat('tiny-a')],
    ['POST', '/v1/responses', { model: 'tiny-a', input: 'a' }],
    ['POST', '/v1/embeddings', { model: 'tiny-a', input: 'a' }],
    ['POST', '/embedding', { model: 'tiny-a', content: 'a' }],
    ['POST', '/v1/rerank', { model: 'tiny-a', query: 'a', documents: ['a'] }],
    ['POST', '/infill', { model: 'tiny-a', input_prefix: 'a', input_suffix: 'a' }],
    ['POST', '/tokenize', { model: 'tiny-a', content: 'a' }],
    ['POST', '/detokenize', { model: 'tiny-a', tokens: [1] }],
    ['POST', '/apply-template', chat('tiny-a')],
    ['POST', '/models/load', { model: 'tiny-a' }],
    ['GET', '/props?model=tiny-a', undefined],
    ['GET', '/props?autoload=true&model=tiny-a', undefined],
    ['GET', '/slots?model=tiny-a', undefined],
    ['GET', '/metrics?model=tiny-a', undefined],
    ['GET', '/lora-adapters?model=tiny-a', undefined],
    ['POST', '/something/new', { model: 'tiny-a' }],
    // llama-swap loads the model for these.
    ['GET', '/upstream/tiny-a/health', undefined],
    ['GET', '/upstream/tiny-a/index.js', undefined],
  ])('%s %s is refused', async (method, path, body) => {
    const { status, headers, text } = await ask(method, path, body);
    expect([status, headers.get('content-type')]).toEqual([503, 'application/json']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(500);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(600);
    expect(headers.get('access-control-allow-origin')).toBe('http://chat.example');
    expect(JSON.parse(text)).toEqual({
      error: {
        code: 503,
        message: expect.stringMatching(
          /^GPU memory of 127\.0\.0\.1:\d+ is kept free until .*\d\d:\d\d UTC for a "training" \(requested by loopback\)\.$/,
        ),
        type: 'unavailable_error',
      },
    });
  });

  it.each<[string, string, number]>([
    ['GET', '/models', 200],
    ['GET', '/v1/models', 200],
    ['GET', '/models?reload=1', 200],
    ['HEAD', '/models', 200],
    ['GET', '/health', 200],
    ['GET', '/v1/health', 200],
    ['GET', '/props', 200],
    ['OPTIONS', '/v1/chat/completions', 200],
    // Of llama-swap: they reach the server, which has none of them.
    ['GET', '/running', 404],
    ['GET', '/api/events', 404],
    ['POST', '/api/models/unload/tiny-a', 404],
  ])('%s %s passes', async (method, path, status) => {
    expect((await ask(method, path)).status).toBe(status);
  });

  it('the event stream and an unload pass', async () => {
    const stream = await fetch(`${front.url}/models/sse`);
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    await stream.body?.cancel();
    const unload = await ask('POST', '/models/unload', { model: 'tiny-a' });
    expect([unload.status, unload.text]).toEqual([400, expect.stringContaining('not running')]);
  });

  it('no model was loaded', async () => {
    expect(await statusesOf(router)).toEqual({ 'tiny-a': 'unloaded', 'tiny-b': 'unloaded', mid: 'unloaded' });
    expect(childrenOf(router.pid)).toEqual([]);
    expect(router.log()).not.toContain('spawning server instance');
  });

  it('other spellings of a path do not bypass the gate', async () => {
    const paths = [
      '//models/load',
      '/models/../models/load',
      '/models/%6coad',
      '/models%2fload',
      '/models/load?',
    ];
    for (const path of paths) {
      // Not with fetch, which tidies paths up.
      expect([path, await statusOf(`POST ${path} HTTP/1.1`, '{"model":"tiny-a"}')]).toEqual([path, 503]);
    }
    expect(childrenOf(router.pid)).toEqual([]);
  });
});

describe('with a model in memory', () => {
  beforeAll(async () => {
    expect(await complete(front, 'tiny-b', { tokens: 3 })).toMatchObject({ status: 200, tokens: 3 });
    await exporter.untilValue('llama_router_model_status', { model: 'tiny-b', status: 'loaded' }, 1);
    await hold();
  });
  afterAll(release);

  it.each(['/slots?model=tiny-b', '/props?model=tiny-b&autoload=false', '/metrics?model=tiny-b'])(
    'GET %s passes: it needs no memory',
    async (path) => {
      expect((await ask('GET', path)).status).toBe(200);
    },
  );

  it.each([
    ['GET', '/slots?model=tiny-a'],
    ['GET', '/slots?model=tiny-b&model=tiny-a'],
    ['GET', '/slots?%6dodel=tiny-a&model=tiny-b'],
    ['POST', '/v1/chat/completions?model=tiny-b'],
  ])('%s %s does not: it may mean another', async (method, path) => {
    expect((await ask(method, path, method === 'POST' ? chat('tiny-a') : undefined)).status).toBe(503);
    expect(await statusesOf(router)).toMatchObject({ 'tiny-a': 'unloaded', 'tiny-b': 'loaded' });
  });

  it('an unload frees it, and it stays unloaded', async () => {
    expect((await ask('POST', '/models/unload', { model: 'tiny-b' })).status).toBe(200);
    await until('it to be gone', () => router.childPid('tiny-b') === undefined);
    expect(await complete(front, 'tiny-b', { tokens: 3 })).toMatchObject({ status: 503 });
    expect(childrenOf(router.pid)).toEqual([]);
  });
});

describe('while nothing is held', () => {
  it('a completion works, also after an expired hold', async () => {
    expect(await complete(front, 'tiny-a', { tokens: 3 })).toMatchObject({ status: 200, tokens: 3 });
    const answers = async (status: number) =>
      (await complete(front, 'tiny-a', { tokens: 3 })).status === status;
    // On a busy machine a hold may be over before the request arrives.
    await until('a refusal', () => hold(1).then(() => answers(503)));
    await until('the end of the hold', () => answers(200), { everyMs: 100 });
  });

  it('a stream arrives chunk by chunk', async () => {
    // 100 tokens are 17 kB, which come in few pieces if they are collected on the way. A busy machine may join pieces, too.
    await until('a stream in many pieces', async () => (await piecesOfStream()) > 30);
  });

  async function piecesOfStream(): Promise<number> {
    const answer = await fetch(`${front.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...oneAnswer },
      body: JSON.stringify(chat('mid', { max_tokens: 100, stream: true, ignore_eos: true })),
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    let pieces = 0;
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      pieces += 1;
      text += decoder.decode(chunk, { stream: true });
    }
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
    return pieces;
  }

  it('errors of llama-server pass unchanged', async () => {
    const direct = await fetch(`${router.url}/completion`, {
      method: 'POST',
      body: '{}',
      headers: oneAnswer,
    });
    const through = await ask('POST', '/completion', {});
    expect([through.status, JSON.parse(through.text)]).toEqual([direct.status, await direct.json()]);
  });

  it('a chat of 60 MB passes', async () => {
    const body = chat('tiny-a', { padding: 'x'.repeat(60_000_000) });
    expect((await ask('POST', '/v1/chat/completions', body)).status).toBe(200);
  });

  it('nginx logged no error', () => {
    const remarkable = nginx
      .log()
      .split('\n')
      .filter((line) => !/buffered to a temporary file|^$/.test(line));
    expect(remarkable).toEqual([]);
  });
});

describe('with requests that wait at the gate', () => {
  /** Between nginx and the exporter. */
  let link: TcpProxy;
  let own: Nginx;

  beforeEach(async () => {
    link = await startTcpProxy(exporter.service.port);
    await unloadAll();
    await hold();
  });
  afterEach(async () => {
    await own.stop();
    await link.close();
    await releaseAll(exporter.url);
  });

  /** Starts a completion through an nginx whose requests wait at the gate that long; resolves when it waits. */
  async function completing(seconds: number) {
    const port = await freePort();
    const text = substitute(patient(shippedFor({ exporter: link.port, front: port })), [
      { of: '503              = @closed;                  # (4)', by: '503 = /llama-gate/wait; #' },
      { of: 'wait=60;', by: `wait=${seconds};` },
      // A connection for each request, so that they can be counted.
      { of: 'keepalive 4;', by: '' },
    ]);
    own = await startNginx(text, port);
    expect(own.check).toEqual({ code: 0, output: '' });
    const client = new AbortController();
    const answer = fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...oneAnswer },
      body: JSON.stringify(chat('tiny-a')),
      signal: client.signal,
    });
    answer.catch(() => {});
    // The second request to the gate waits.
    await until('it to wait', () => link.connections().total === 2, { everyMs: 10 });
    return { client, answer };
  }

  it('a completion is answered once the hold is released', async () => {
    const { answer } = await completing(60);
    expect(childrenOf(router.pid)).toEqual([]);
    await release();
    expect((await answer).status).toBe(200);
  });

  it('a completion is refused when the hold lasts longer', async () => {
    const { answer } = await completing(1);
    const { status, headers } = await answer;
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(500);
    expect(childrenOf(router.pid)).toEqual([]);
  });

  it('a client that hangs up ends its wait', async () => {
    const { client, answer } = await completing(60);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    await until('the end of its wait', () => link.connections().open === 0);
    await release();
    expect(childrenOf(router.pid)).toEqual([]);
  });

  async function unloadAll(): Promise<void> {
    const answer = await fetch(`${exporter.url}/api/v1/unload-all`, { method: 'POST' });
    expect(await answer.json()).toMatchObject({ still_in_memory: [] });
  }
});

describe('when the exporter', () => {
  let folder: string;
  let program: RootedProcess;
  let own: Nginx;
  const through = { url: '', apiKey: undefined };

  beforeAll(async () => {
    folder = makeRunFolder('exporter');
    const [port, listening] = [await freePort(), await freePort()];
    const args = [MAIN, 'serve', `--router=${router.url}`, `--web.listen-address=127.0.0.1:${port}`];
    program = await startRooted({ command: process.execPath, args }, join(folder, 'log'));
    const url = `http://127.0.0.1:${port}`;
    const isReady = () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until('the exporter to be ready', isReady);
    await hold(600, url);
    through.url = `http://127.0.0.1:${listening}`;
    own = await startNginx(shippedFor({ exporter: port, front: listening }), listening);
  });
  afterAll(async () => {
    await own?.stop();
    await program?.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const completion = async () => {
    const startedAt = performance.now();
    const { status } = await complete(through, 'tiny-a', { tokens: 3 });
    return { status, ms: performance.now() - startedAt };
  };

  /** An exporter that is merely slow, on a busy machine, opens the gate as well. */
  const isClosed = () => until('a refusal', async () => (await completion()).status === 503);

  it('hangs during a hold, the gate fails open, and closes again when the exporter is back', async () => {
    await isClosed();
    await suspend(program.pid);
    const { status, ms } = await completion();
    process.kill(program.pid, 'SIGCONT');
    expect(status).toBe(200);
    expect(ms).toBeGreaterThan(250);
    expect(ms).toBeLessThan(OPENS_MS);
    await isClosed();
  });

  it('was killed during a hold, completions work at once', async () => {
    await isClosed();
    await program.end('SIGKILL');
    const { status, ms } = await completion();
    expect(status).toBe(200);
    expect(ms).toBeLessThan(OPENS_MS);
  });
});

it('explains how to name the router when the gate cannot tell', async () => {
  const two = await startExporter([router.url, `http://127.0.0.1:${await freePort()}`]);
  const port = await freePort();
  const text = patient(shippedFor({ exporter: two.service.port, front: port }));
  const naming = (name: string) => text.replaceAll('/gate?model=', `/gate?router=${name}&model=`);
  const through = async (config: string) => {
    const other = await startNginx(config, port);
    try {
      return await complete({ url: `http://127.0.0.1:${port}`, apiKey: undefined }, 'tiny-a', { tokens: 1 });
    } finally {
      await other.stop();
    }
  };
  const mend = (status: number) => ({
    code: 500,
    type: 'server_error',
    message: `The gate of llama-router-exporter answered ${status}: ask the administrator to fix location /llama-gate/ in llama-gate.conf (400: add ?router=NAME, 404: no router has that name)`,
  });
  try {
    expect(await through(text)).toMatchObject({ status: 500, body: { error: mend(400) } });
    expect(await through(naming('missing'))).toMatchObject({ status: 500, body: { error: mend(404) } });
    expect(await through(naming(`127.0.0.1:${router.port}`))).toMatchObject({ status: 200, tokens: 1 });
  } finally {
    await two.stop();
  }
});

/** The status of nginx for a request with exactly this first line. */
async function statusOf(line: string, body: string): Promise<number> {
  const socket = connect(Number(new URL(front.url).port), '127.0.0.1');
  socket.write(
    `${line}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}
