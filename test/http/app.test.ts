import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { SWAP_TRAITS } from '../../src/backends/llama-swap/traits.ts';
import { createApp } from '../../src/http/app.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { aLog } from '../support/a-log.ts';
import { aListing, listed } from '../support/a-model.ts';
import { type AppOptions, appParts } from '../support/app-parts.ts';
import { addRouter } from '../support/driven-router.ts';
import { parseExposition } from '../support/exposition.ts';
import { aBusyFleet, anEmptyFleet, HOSTILE_ID, type ObservedFleet } from '../support/fleets.ts';

const logged: string[] = [];
afterEach(() => {
  logged.length = 0;
});

function anApp(observed: ObservedFleet = aBusyFleet(), parts: AppOptions = {}) {
  const app = createApp(
    appParts(observed, {
      log: aLog((line) => logged.push(line)),
      ...parts,
    }),
  );
  return supertest(app);
}

/** The body as bytes: supertest decodes only text and JSON. */
const raw = (request: supertest.Test) =>
  request.buffer(true).parse((response, done) => {
    const chunks: Buffer[] = [];
    const stream = response as unknown as NodeJS.ReadableStream;
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => done(null, Buffer.concat(chunks)));
  });

describe('/metrics', () => {
  it.each<[string | undefined, string, 'text' | 'openmetrics']>([
    [undefined, 'text/plain; version=0.0.4; charset=utf-8', 'text'],
    ['*/*', 'text/plain; version=0.0.4; charset=utf-8', 'text'],
    [
      'application/openmetrics-text;version=1.0.0,text/plain;q=0.5',
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
      'openmetrics',
    ],
  ])('with Accept %s answers %s', async (accept, type, format) => {
    const request = raw(anApp().get('/metrics').set('Accept-Encoding', 'identity'));
    const { status, headers, body } = await (accept === undefined ? request : request.set('Accept', accept));
    const text = (body as Buffer).toString();
    expect([status, headers['content-type'], headers.vary]).toEqual([200, type, 'Accept, Accept-Encoding']);
    expect(headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(parseExposition(text, format).value('llama_router_up', { router: 'cellar' })).toBe(0);
  });

  it.each<[string, boolean]>([
    ['gzip', true],
    ['gzip, deflate, br', true],
    ['deflate, GZIP', true],
    ['gzip;q=1.0', true],
    ['gzip; q=0.5', true],
    ['br;q=1, gzip;q=0.01', true],
    ['gzip;q=0', false],
    ['gzip; q=0.0', false],
    ['gzip;q=0.000, deflate', false],
    ['identity', false],
    ['x-gzip', false],
    ['gzipped', false],
    ['', false],
  ])('with Accept-Encoding %j packs: %s', async (encoding, packed) => {
    const { headers, body } = await raw(anApp().get('/metrics').set('Accept-Encoding', encoding));
    expect(headers['content-encoding']).toBe(packed ? 'gzip' : undefined);
    const sent = body as Buffer;
    const plain = sent[0] === 0x1f ? gunzipSync(sent) : sent;
    parseExposition(plain.toString());
    expect(Number(headers['content-length']) < plain.length / 2).toBe(packed);
  });

  it('has metrics of the process with names that promtool accepts', async () => {
    const read = parseExposition((await anApp().get('/metrics')).text);
    expect(read.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    for (const { name, type } of read.families) expect(name.endsWith('_total')).toBe(type === 'counter');
  });

  it.each(['identity', 'gzip'])('is whole in pieces, with %s', async (encoding) => {
    const pieces = Array.from({ length: 2000 }, (_, at) => Buffer.from(`many{model="🦙 ${at}"} 1\n`));
    const app = anApp(undefined, { scrapes: new Map([['/metrics', () => pieces]]) });
    const { headers, body } = await raw(app.get('/metrics').set('Accept-Encoding', encoding));
    const sent = body as Buffer;
    const plain = sent[0] === 0x1f ? gunzipSync(sent) : sent;
    expect(plain.toString()).toBe(pieces.join(''));
    expect(Number(headers['content-length']) < plain.length).toBe(encoding === 'gzip');
    const head = await app.head('/metrics').set('Accept-Encoding', encoding);
    expect(head.headers['content-length']).toBe(headers['content-length']);
  });

  it('may have another path', async () => {
    const scrape = () => [Buffer.from('llama_router_up 1\n')];
    const app = anApp(undefined, { scrapes: new Map([['/llama/metrics', scrape]]) });
    expect((await app.get('/llama/metrics')).text).toContain('llama_router_up');
    expect((await app.get('/metrics')).status).toBe(404);
    expect((await app.get('/')).text).toContain('<a href="/llama/metrics">');
  });

  it('that fails is a 500, and only the log has the reason', async () => {
    const scrape = () => {
      throw new Error('a bug of ours');
    };
    const { status, text } = await anApp(undefined, { scrapes: new Map([['/metrics', scrape]]) }).get(
      '/metrics',
    );
    expect([status, JSON.parse(text)]).toEqual([
      500,
      { type: 'about:blank', title: 'Internal error', status: 500, detail: 'See the log.' },
    ]);
    expect(logged.join()).toContain('a bug of ours');
  });
});

it.each([
  '/',
  '/style.css',
  '/page.js',
  '/metrics',
  '/-/healthy',
  '/-/ready',
  '/api/v1/routers',
  '/api/v1/models',
  '/api/v1/events',
])('HEAD %s is answered without a body', async (path) => {
  const { status, text } = await anApp().head(path);
  expect([status, text]).toEqual([200, undefined]);
});

it('another method is answered by 405 with the right one', async () => {
  const { status, headers, text } = await anApp().post('/metrics');
  expect([status, headers.allow, headers['content-type']]).toEqual([
    405,
    'GET',
    'application/problem+json; charset=utf-8',
  ]);
  expect(JSON.parse(text)).toEqual({
    type: 'about:blank',
    title: 'Method not allowed',
    status: 405,
    detail: 'POST /metrics: use GET.',
  });
});

describe('an unknown path', () => {
  it.each([
    '/nothing',
    '/api',
    '/api/v1',
    '/api/v2/models',
    '/-/',
    '/metrics/more',
    '/%E0%A4%A',
    '/..%2fetc',
  ])('%s', async (path) => {
    const { status, headers, text } = await anApp().get(path);
    expect([status, headers['content-type']]).toEqual([404, 'application/problem+json; charset=utf-8']);
    expect(JSON.parse(text)).toMatchObject({ type: 'about:blank', title: 'Not found', status: 404 });
    expect(headers).not.toHaveProperty('x-powered-by');
  });
});

describe('health', () => {
  it('is ok when every router is down', async () => {
    const observed = anEmptyFleet();
    addRouter(observed.store, 'cellar', 'http://cellar').failed({ kind: 'unreachable', message: 'gone' });
    const { status, text } = await anApp(observed).get('/-/healthy');
    expect([status, text]).toEqual([200, 'llama-router-exporter is healthy.\n']);
  });

  it('is ready once every router was listed', async () => {
    let ready = false;
    const app = anApp(undefined, { isReady: () => ready });
    const before = await app.get('/-/ready');
    expect([before.status, JSON.parse(before.text)]).toEqual([
      503,
      { type: 'about:blank', title: 'Not ready', status: 503, detail: 'Starting or shutting down.' },
    ]);
    ready = true;
    const after = await app.get('/-/ready');
    expect([after.status, after.text]).toEqual([200, 'llama-router-exporter is ready.\n']);
  });
});

describe('a reload', () => {
  it('that fails says why', async () => {
    const reload = async () => ({ error: 'config.yml: routers[0].url: missing' });
    const { status, text } = await anApp(undefined, { reload }).post('/-/reload');
    expect([status, JSON.parse(text)]).toEqual([
      400,
      {
        type: 'about:blank',
        title: 'Configuration not reloaded',
        status: 400,
        detail: 'config.yml: routers[0].url: missing',
      },
    ]);
  });
});

describe('/api/v1/routers', () => {
  it('shows the state of each', async () => {
    const { body, headers } = await anApp().get('/api/v1/routers');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({
      routers: [
        {
          name: 'gpu-box',
          url: 'http://gpu-box:8080',
          up: true,
          fault: null,
          event_stream: 'connected',
          polling_seconds: null,
          engine_metrics: 'unknown',
          build: 'b11669-Debian',
          activity: 'asked',
          kind: 'llama-server',
          build_class: 'unknown',
          engine_read: 'auto',
          unread_models: 0,
          models_max: 4,
          models_autoload: true,
          listed_at: '2023-11-14T22:13:20.000Z',
          malformed_models: [],
          models: { downloading: 1, unloaded: 2, loading: 1, loaded: 1, sleeping: 1, unloading: 0, other: 1 },
        },
        {
          ...{ name: 'attic', url: 'http://attic:8080', up: true, fault: null, event_stream: 'unsupported' },
          polling_seconds: 2,
          engine_metrics: 'unknown',
          activity: 'asked',
          kind: 'llama-server',
          build_class: 'unknown',
          engine_read: 'auto',
          unread_models: 0,
          ...{ build: null, models_max: null, models_autoload: null, listed_at: '2023-11-14T22:14:45.000Z' },
          malformed_models: ['data[1]: it is no model'],
          models: { downloading: 0, unloaded: 0, loading: 0, loaded: 1, sleeping: 0, unloading: 0, other: 0 },
        },
        {
          ...{ name: 'cellar', url: 'http://cellar:8080', up: false, event_stream: 'connecting' },
          polling_seconds: null,
          engine_metrics: 'unknown',
          activity: 'asked',
          kind: 'llama-server',
          build_class: 'unknown',
          engine_read: 'auto',
          unread_models: 0,
          fault: { kind: 'timeout', message: 'http://cellar:8080/models did not answer within 5 s' },
          ...{ build: null, models_max: null, models_autoload: null, listed_at: '2023-11-14T22:14:45.000Z' },
          malformed_models: [],
          models: { downloading: 0, unloaded: 0, loading: 0, loaded: 1, sleeping: 0, unloading: 0, other: 0 },
        },
      ],
    });
  });

  it.each([
    ['asked', ROUTER_TRAITS, 1],
    ['reported', SWAP_TRAITS, 0],
  ])('counts models that are not read where their activity is %s', async (_, traits, unread) => {
    const observed = anEmptyFleet();
    const router = addRouter(observed.store, 'r', 'http://r');
    router.state.traits = traits;
    router.listed(aListing(listed('a', 'loaded', { sleepIdleSeconds: 60 })));
    const { body } = await anApp(observed).get('/api/v1/routers');
    expect(body.routers[0]).toMatchObject({ unread_models: unread });
  });

  it('has only null and zero before the first listing', async () => {
    const observed = anEmptyFleet();
    addRouter(observed.store, 'r', 'http://r');
    const { body } = await anApp(observed).get('/api/v1/routers');
    expect(body.routers[0]).toMatchObject({
      up: null,
      fault: null,
      listed_at: null,
      event_stream: 'connecting',
    });
  });
});

describe('/api/v1/models', () => {
  const idsOf = async (query: string) =>
    (await anApp().get(`/api/v1/models${query}`)).body.models.map(
      ({ router, id }: { router: string; id: string }) => `${router} ${id}`,
    );

  it('shows the state of each', async () => {
    const { body } = await anApp().get('/api/v1/models');
    expect(body.models[0]).toEqual({
      router: 'gpu-box',
      id: 'qwen3-8b',
      aliases: [],
      status: 'loaded',
      current: true,
      since: '2023-11-14T22:14:35.000Z',
      load_failed: false,
      load_progress: null,
      load_seconds: 2,
      busy: null,
      last_activity: null,
      source: 'models_dir',
      quantization: 'Q4_K - Medium',
      parameters: 8.2e9,
      size_bytes: 4_900_000_000,
      context_tokens: 4096,
      last_unload: null,
    });
    expect(body.models[1]).toMatchObject({ id: 'llama-70b', status: 'loading', load_progress: 0.25 });
    expect(body.models[4]).toMatchObject({ id: 'broken', aliases: ['b'], load_failed: true, since: null });
    expect(body.models.at(-1)).toMatchObject({
      router: 'cellar',
      id: 'lost',
      status: 'loaded',
      current: false,
    });
  });

  it('filters by router and status', async () => {
    expect(await idsOf('?router=attic')).toEqual(['attic solo']);
    expect(await idsOf('?status=sleeping')).toEqual(['gpu-box tiny']);
    expect(await idsOf('?status=loaded')).toEqual(['gpu-box qwen3-8b', 'attic solo', 'cellar lost']);
    expect(await idsOf('?status=loaded&router=attic')).toEqual(['attic solo']);
    expect(await idsOf('?status=unloaded')).toContain(`gpu-box ${HOSTILE_ID}`);
    expect(await idsOf('?router=unknown')).toEqual([]);
  });

  it.each([
    '?status=sleepy',
    '?status=',
    '?sttaus=loaded',
    '?router=a&router=b',
    '?router[]=a',
    '?__proto__=x',
  ])('refuses the query %s', async (query) => {
    const { status, headers, text } = await anApp().get(`/api/v1/models${query}`);
    expect([status, headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(JSON.parse(text)).toMatchObject({ title: 'Bad query', status: 400 });
    expect(JSON.parse(text).detail.length).toBeGreaterThan(10);
  });
});

it('ignores the body of a reload', async () => {
  const { status } = await anApp().post('/-/reload').send('x'.repeat(100_000));
  expect(status).toBe(200);
});
