import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { createApp } from '../../src/http/app.ts';
import { serve } from '../../src/http/server.ts';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { aLog } from '../support/a-log.ts';
import { type AppOptions, appParts } from '../support/app-parts.ts';
import { aNotification, anAlert, grafanaNotification } from '../support/notification.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

/** A service on two routers, whose time passes as requests need it. */
function aService(parts: AppOptions = {}) {
  const logged: string[] = [];
  const log = aLog((line) => logged.push(line), 'info');
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const attic = createScriptedControl(clock, store, 'attic', 'qwen', 'bge');
  const cellar = createScriptedControl(clock, store, 'cellar', 'llama');
  const all = appParts({ store, clock }, { controls: [attic, cellar], log, ...parts });
  const http = supertest(createApp(all));
  return {
    ...{ clock, store, attic, cellar, http, all, logged },
    post: (path: string, body?: object) => send('POST', path, body),
    send,
    /** The refusals that are counted, by reason. */
    async refusals() {
      const { text } = await http.get('/metrics');
      const counted = text.matchAll(/^llama_router_unload_refusals_total\{reason="(\w+)"\} ([1-9]\d*)$/gm);
      return Object.fromEntries([...counted].map(([, reason, count]) => [reason, Number(count)]));
    },
  };

  /** The answer, and after how many milliseconds it came. */
  async function send(method: 'POST' | 'PUT', path: string, body?: object) {
    let answer: supertest.Response | undefined;
    const startedAt = clock.now();
    const asked = http[method === 'PUT' ? 'put' : 'post'](path).send(body);
    void asked.then((got) => {
      answer = got;
    });
    while (answer === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await settled();
      if (answer === undefined) await clock.advance(10);
    }
    return {
      status: answer.status,
      body: answer.body,
      headers: answer.headers,
      afterMs: clock.now() - startedAt,
    };
  }
}

const unloaded = (model: string) => ({ model, result: 'unloaded', seconds: 0.05 });

describe.each(['/api/v1/unload-all', '/unload-all'])('POST %s', (path) => {
  it('without a body unloads everything, and answers when it is gone', async () => {
    const { post } = aService();
    const { status, body, headers } = await post(path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      trigger: 'api',
      caller: { name: 'loopback' },
      outcome: 'success',
      when_busy: 'wait',
      routers: [
        { router: 'attic', models: [unloaded('qwen'), unloaded('bge')] },
        { router: 'cellar', models: [unloaded('llama')] },
      ],
    });
    expect(headers.location).toBe(`/api/v1/operations/${body.id}`);
  });

  it('follows routers, models, keep and dry_run', async () => {
    const { post, attic } = aService();
    const body = { routers: ['attic'], models: ['*'], keep: ['b*'], dry_run: true, reason: 'a look' };
    expect((await post(path, body)).body).toMatchObject({
      outcome: 'dry_run',
      reason: 'a look',
      routers: [
        {
          router: 'attic',
          models: [
            { model: 'qwen', result: 'would_unload' },
            { model: 'bge', result: 'kept' },
          ],
        },
      ],
    });
    expect(attic.ordered).toEqual([]);
  });

  it('is a noop when nothing is loaded', async () => {
    const { post } = aService();
    await post(path);
    expect(await post(path)).toMatchObject({ status: 200, body: { outcome: 'noop' } });
  });
});

describe('an unload', () => {
  it('that takes longer is answered in time, and its report can be read until it ends', async () => {
    const { post, attic, http, clock } = aService();
    attic.doing.set('qwen', { kind: 'busy' });
    const { status, body, headers, afterMs } = await post('/api/v1/unload-all');
    expect([status, body.outcome]).toEqual([202, null]);
    expect(afterMs).toBeGreaterThanOrEqual(2500);
    expect(afterMs).toBeLessThan(3000);
    expect(body.routers[0].models[0]).toEqual({ model: 'qwen', result: null, detail: 'it is generating' });
    attic.doing.clear();
    await clock.advance(1000);
    const watched = await http.get(headers.location ?? '');
    expect(watched.body).toMatchObject({ id: body.id, outcome: 'success' });
    expect((await http.get('/api/v1/operations')).body.operations).toEqual([watched.body]);
  });

  it.each([
    [false, 202, 0],
    [0, 202, 0],
    [20, 200, 60],
  ])('that is to wait %p is answered by %i', async (wait, status, atLeastMs) => {
    const { post, clock } = aService();
    const answer = await post('/api/v1/unload-all', { wait });
    expect(answer.status).toBe(status);
    expect(answer.afterMs).toBeGreaterThanOrEqual(atLeastMs - 10);
    await clock.advance(1000);
  });

  it('continues when the client disconnects', async () => {
    const { all, attic, clock } = aService();
    attic.doing.set('qwen', { kind: 'busy' });
    const server = await serve(createApp(all), { host: '127.0.0.1', port: 0 });
    const caller = new AbortController();
    const url = `http://127.0.0.1:${server.port}/unload-all`;
    const asked = fetch(url, { method: 'POST', signal: caller.signal }).catch(() => 'gone');
    await until('the operation', () => all.operations.list().length > 0);
    caller.abort();
    expect(await asked).toBe('gone');
    await clock.advance(1000);
    attic.doing.clear();
    await clock.advance(1000);
    expect(all.operations.list()).toMatchObject([{ outcome: 'success', summary: { unloaded: 3 } }]);
    await server.close();
  });

  it('is joined by a request for the same', async () => {
    const { post, attic, logged, clock } = aService();
    attic.doing.set('qwen', { kind: 'busy' });
    const first = await post('/api/v1/unload-all', { wait: false });
    const second = await post('/api/v1/unload-all', { wait: false, reason: 'me too' });
    expect(second.body.id).toBe(first.body.id);
    expect(logged.filter((line) => line.includes('request joined a running operation'))).toHaveLength(1);
    attic.doing.clear();
    await clock.advance(1000);
  });

  it('that failed altogether is answered by 502, for scripts that look at nothing else', async () => {
    const { post, attic } = aService();
    attic.order = async () => failed(TIMEOUT);
    expect(await post('/api/v1/unload-all', { routers: ['attic'] })).toMatchObject({
      status: 502,
      body: { outcome: 'failed', summary: { failed: 2 } },
    });
  });

  it('until a ratio of memory that is not measured is answered by 409, and nothing is unloaded', async () => {
    const { post, attic } = aService();
    const { status, body } = await post('/api/v1/unload-all', { routers: ['attic'], until_ratio: 0.5 });
    expect([status, body]).toEqual([
      409,
      {
        type: 'about:blank',
        title: 'GPU memory not measured',
        status: 409,
        detail:
          'Nothing was unloaded. attic: the GPU memory of this router is not measured, which until_ratio needs: use free_bytes, or run the exporter on its host.',
      },
    ]);
    expect(attic.ordered).toEqual([]);
  });

  it('on a GPU that is not measured is answered by 409, and nothing is unloaded', async () => {
    const { post, attic } = aService();
    const { status, body } = await post('/api/v1/unload-all', { gpus: ['GPU-1d4b'] });
    expect([status, body.title]).toEqual([409, 'GPU memory not measured']);
    expect(body.detail).toMatch(
      /^Nothing was unloaded\. attic: .* which a GPU as selection needs: run the exporter/,
    );
    expect((await post('/api/v1/unload-all', { gpus: [] })).status).toBe(400);
    expect(attic.ordered).toEqual([]);
  });

  it('of a router that is down is answered by 502', async () => {
    const { post, attic } = aService();
    attic.entry.failed(UNREACHABLE);
    expect(await post('/api/v1/unload', { routers: ['attic'], models: ['qwen'] })).toMatchObject({
      status: 502,
      body: { routers: [{ fault: { kind: 'unreachable', message: UNREACHABLE.message } }] },
    });
  });

  it('beyond eight in the queue is answered by 503 with Retry-After', async () => {
    const { post, attic, clock } = aService();
    attic.doing.set('qwen', { kind: 'busy' });
    for (let index = 0; index < 9; index += 1) {
      await post('/api/v1/unload', {
        models: ['qwen'],
        hold_seconds: index + 1,
        wait: false,
        busy_timeout_seconds: 5,
      });
    }
    const { status, headers, body } = await post('/api/v1/unload', { models: ['bge'], routers: ['attic'] });
    expect([status, headers['retry-after'], body.outcome]).toEqual([503, '30', 'refused']);
    await clock.advance(60_000);
  });
});

it('operations are listed in pages', async () => {
  const { post, http } = aService();
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.unshift((await post('/api/v1/unload-all', { dry_run: true })).body.id);
  const page = async (query: string) =>
    (await http.get(`/api/v1/operations${query}`)).body.operations.map(({ id }: { id: string }) => id);
  expect(await page('')).toEqual(ids);
  expect(await page('?limit=2')).toEqual(ids.slice(0, 2));
  expect(await page(`?limit=2&before=${ids[1]}`)).toEqual(ids.slice(2, 4));
  expect(await page(`?before=${ids[4]}`)).toEqual([]);
  const status = async (query: string) => (await http.get(`/api/v1/operations${query}`)).status;
  for (const wrong of ['limit=0', 'limit=x', 'limit=1.5', 'limit=0x1', 'limit=+1', 'page=2']) {
    expect([wrong, await status(`?${wrong}`)]).toEqual([wrong, 400]);
  }
  expect(await status('?before=unknown')).toBe(404);
});

describe('a request is refused, and nothing is unloaded,', () => {
  it.each<[string, string, object, number, RegExp]>([
    [
      'without a model to unload',
      '/api/v1/unload',
      {},
      400,
      /expected array, received undefined\n {2}→ at models/,
    ],
    ['with an empty list of them', '/api/v1/unload', { models: [] }, 400, /at models/],
    ['with a misspelt key', '/api/v1/unload-all', { modells: ['q'] }, 400, /Unrecognized key: "modells"/],
    ['with a word that is none', '/api/v1/unload-all', { when_busy: 'kill' }, 400, /"skip"\|"wait"\|"force"/],
    ['with a time that has passed', '/api/v1/unload-all', { timeout_seconds: -1 }, 400, /at timeout_seconds/],
    [
      'with terminal escapes in its reason',
      '/api/v1/unload-all',
      { reason: '\u001b[31mred' },
      400,
      /must be one line without control characters\n {2}→ at reason/,
    ],
    ['with a newline in its reason', '/api/v1/unload-all', { reason: 'two\nlines' }, 400, /at reason/],
    ['with a long reason', '/api/v1/unload-all', { reason: 'x'.repeat(201) }, 400, /at reason/],
    [
      'with two targets',
      '/api/v1/unload-all',
      { free_bytes: 1, until_ratio: 0.5 },
      400,
      /exclude each other/,
    ],
    [
      'for an unknown router',
      '/api/v1/unload-all',
      { routers: ['attik'] },
      404,
      /No router is named attik. The routers are: attic, cellar/,
    ],
    [
      'for an unknown model',
      '/api/v1/unload',
      { models: ['qwem'] },
      404,
      /No model is named 'qwem' on attic, cellar: did you mean 'qwen'\?/,
    ],
    [
      'for a model of another router',
      '/api/v1/unload',
      { models: ['llama'], routers: ['attic'] },
      404,
      /on attic/,
    ],
  ])('%s', async (_, path, body, status, detail) => {
    const { http, attic, cellar, all } = aService();
    const answer = await http.post(path).send(body);
    expect(answer.status).toBe(status);
    expect(answer.type).toBe('application/problem+json');
    expect(JSON.parse(answer.text).detail).toMatch(detail);
    expect([attic.ordered, cellar.ordered, all.operations.list()]).toEqual([[], [], []]);
  });

  it('for an unknown operation', async () => {
    const { status, text } = await aService().http.get('/api/v1/operations/x');
    expect([status, JSON.parse(text).title]).toEqual([404, 'No such operation']);
  });
});

it('a list of excessive length is refused at once with a short message', async () => {
  const { http } = aService();
  const refusal = async (body: object) =>
    JSON.parse((await http.post('/api/v1/unload-all').send(body)).text).detail;
  expect(await refusal({ models: Array(200_000).fill(1) })).toBe('models has more than 1000 entries.');
  const thousand: string = await refusal({ models: Array(1000).fill(1) });
  expect(thousand.split('\n').slice(-3)).toEqual([
    '✖ Invalid input: expected string, received number',
    '  → at models[9]',
    '… and 990 more',
  ]);
  const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]));
  expect((await refusal(keys)).length).toBeLessThan(400);
});

describe.each(['/api/v1/alertmanager', '/webhook/alertmanager'])('POST %s', (path) => {
  const notify = (...alerts: ReturnType<typeof anAlert>[]) => bodyOf(aNotification(alerts));
  const pressure = (labels: Record<string, string> = {}) =>
    anAlert({ labels: { alertname: 'GpuMemoryHigh', action: 'unload', ...labels } });

  it('unloads what a firing alert asks for, and says so', async () => {
    const { post } = aService();
    const { status, body } = await post(path, notify(pressure({ router: 'attic' })));
    expect([status, body.outcome]).toEqual([200, 'success']);
    expect(body.operations).toMatchObject([
      {
        trigger: 'alertmanager',
        reason: 'GpuMemoryHigh',
        routers: [{ router: 'attic', models: [unloaded('qwen'), unloaded('bge')] }],
      },
    ]);
  });

  it('answers in time when a model is busy, and joins the same operation when repeated', async () => {
    const { post, attic, clock } = aService();
    attic.doing.set('qwen', { kind: 'busy' });
    const first = await post(path, notify(pressure()));
    const second = await post(path, notify(pressure()));
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(first.afterMs).toBeLessThan(3000);
    expect(second.body.operations[0].id).toBe(first.body.operations[0].id);
    attic.doing.clear();
    await clock.advance(1000);
  });

  it('repeated soon after does nothing, with 200', async () => {
    const { post, attic } = aService();
    await post(path, notify(pressure()));
    expect(await post(path, notify(pressure()))).toMatchObject({
      status: 200,
      body: { outcome: 'refused', reason: 'cooldown' },
    });
    expect(attic.ordered).toHaveLength(2);
  });

  it('asks to be sent again when a router cannot be asked', async () => {
    const { post, attic } = aService();
    attic.entry.failed(UNREACHABLE);
    expect((await post(path, notify(pressure({ router: 'attic' })))).status).toBe(503);
  });

  it('asks to be sent again what is left, and what comes, when the service shuts down', async () => {
    const closing = new AbortController();
    const { post, attic, clock, all } = aService({ closing: closing.signal });
    attic.doing.set('qwen', { kind: 'busy' });
    clock.after(500, () => {
      closing.abort();
      void all.operations.stop();
    });
    expect(await post(path, notify(pressure({ router: 'attic' })))).toMatchObject({
      status: 503,
      body: { outcome: 'partial', detail: expect.stringMatching(/^the exporter is shutting down/) },
    });
    expect(await post(path, notify(pressure()))).toMatchObject({
      status: 503,
      body: { title: 'Shutting down' },
    });
    expect(all.operations.list()).toHaveLength(1);
  });

  it('that is resolved or not for us does nothing', async () => {
    const { post, attic, logged } = aService();
    const resolved = await post(path, notify({ ...pressure(), firing: false }));
    const other = await post(path, notify(anAlert({ labels: { action: 'page' } })));
    expect([resolved.status, resolved.body.outcome, other.status, other.body.reason]).toEqual([
      200,
      'noop',
      200,
      'not_matched',
    ]);
    expect(logged).toEqual([expect.stringContaining('msg="request refused" reason=not_matched')]);
    expect(attic.ordered).toEqual([]);
  });

  it('that is not a notification is a 400', async () => {
    const { status, text } = await aService().http.post(path).send({ version: '3', alerts: [] });
    expect([status, JSON.parse(text).title]).toEqual([400, 'Not a notification']);
  });
});

describe.each(['POST', 'PUT'] as const)('%s by Grafana', (method) => {
  it.each(['/api/v1/alertmanager', '/webhook/alertmanager', '/webhook/grafana'])(
    'to %s unloads',
    async (path) => {
      const { send, attic } = aService();
      // Scripted models have no idle time.
      const body = grafanaNotification('firing');
      for (const { annotations } of body.alerts)
        delete (annotations as Record<string, unknown>).unload_idle_for;
      const answer = await send(method, path, body);
      expect([answer.status, answer.body.outcome]).toEqual([200, 'success']);
      expect(answer.body.operations).toMatchObject([
        { trigger: 'alertmanager', routers: [{ router: 'attic' }, { router: 'cellar' }] },
      ]);
      expect(attic.ordered).toHaveLength(2);
    },
  );

  it('unloads nothing when the rule had no data', async () => {
    const { send, attic, logged } = aService();
    const answer = await send(method, '/webhook/grafana', grafanaNotification('no-data'));
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'refused', reason: 'no_data' } });
    expect(logged.join('')).toContain(
      `request="${method} /webhook/grafana" detail="no_data: DatasourceNoData`,
    );
    expect(attic.ordered).toEqual([]);
  });
});

describe('a notification that is refused is logged and counted', () => {
  const text = (bytes: number) => JSON.stringify({ version: '4', alerts: [], padding: 'x'.repeat(bytes) });

  it.each<[string, string, (http: ReturnType<typeof aService>['http']) => supertest.Test, number]>([
    ['malformed', 'of another version', (http) => http.put('/webhook/grafana').send({ version: '3' }), 400],
    ['malformed', 'that is not JSON', (http) => http.post('/webhook/grafana').type('json').send('{'), 400],
    [
      'too_large',
      'above 8 MiB',
      (http) =>
        http
          .post('/api/v1/alertmanager')
          .type('json')
          .send(text(8 * 1024 * 1024)),
      413,
    ],
    ['media_type', 'as a form', (http) => http.post('/webhook/grafana').type('form').send('a=b'), 415],
    ['method', 'by GET', (http) => http.get('/webhook/alertmanager'), 405],
    [
      'unauthorized',
      'through a proxy without a token',
      (http) => http.post('/api/v1/alertmanager').set('Via', '1.1 proxy').send({}),
      403,
    ],
    [
      'unauthorized',
      'with a token in the URL',
      (http) => http.post('/webhook/grafana?token=x').send({}),
      400,
    ],
  ])('%s: %s', async (reason, _, sent, status) => {
    const { http, logged, refusals } = aService();
    expect((await sent(http)).status).toBe(status);
    expect(logged).toEqual([expect.stringContaining(`msg="request refused" reason=${reason} caller=`)]);
    expect(await refusals()).toEqual({ [reason]: 1 });
  });
});

it('a notification of a thousand large alerts is read', async () => {
  const annotations = { summary: 'x'.repeat(1260) };
  const alerts = Array.from({ length: 1000 }, (_, index) => ({
    status: 'firing',
    labels: { alertname: 'Large', index: String(index) },
    annotations,
  }));
  const { status, body } = await aService().http.post('/api/v1/alertmanager').send({ version: '4', alerts });
  expect([status, body.reason]).toEqual([200, 'not_matched']);
});

it('an order that the router takes back is no unload', async () => {
  const { post, attic } = aService();
  attic.order = async () => ok('unknown_model');
  expect((await post('/api/v1/unload', { models: ['qwen'] })).status).toBe(502);
});

/** A notification as Alertmanager sends it. */
function bodyOf({ alerts }: ReturnType<typeof aNotification>): object {
  return {
    version: '4',
    status: alerts.some(({ firing }) => firing) ? 'firing' : 'resolved',
    receiver: 'unload',
    groupKey: '{}:{}',
    alerts: alerts.map(({ firing, labels, annotations }) => ({
      status: firing ? 'firing' : 'resolved',
      labels,
      annotations,
      fingerprint: 'f',
    })),
  };
}
