import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createRouterClient } from '../contract/router-client.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';

let router: TestRouter;
let url: string;

beforeEach(async () => {
  router = createTestRouter({ models: [{ id: 'a', loadSeconds: 0.01 }] });
  ({ url } = await router.listen());
});

afterEach(() => router.stop());

const listing = () => fetch(`${url}/models`);

async function answersWell(): Promise<boolean> {
  const { data } = (await (await listing()).json()) as { data: { id: string }[] };
  return data[0]?.id === 'a';
}

describe('a planned fault', () => {
  it('affects the next request for its path, and no other', async () => {
    router.faults.next({ on: '/models', kind: 'status', status: 503, body: 'busy' });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const answer = await listing();
    expect([answer.status, await answer.text()]).toEqual([503, 'busy']);
    expect(await answersWell()).toBe(true);
  });

  it('affects the planned number of requests, in the order of planning', async () => {
    router.faults.next({ on: '*', kind: 'status', status: 500, times: 2 });
    router.faults.next({ on: '/models', kind: 'status', status: 502 });
    const statuses = [];
    for (const _ of [1, 2, 3, 4]) statuses.push((await listing()).status);
    expect(statuses).toEqual([500, 500, 502, 200]);
  });

  it('can be limited to one model, and can be cleared', async () => {
    router.faults.next({ on: '/metrics', model: 'b', kind: 'status', status: 500 });
    expect((await fetch(`${url}/metrics?model=a&autoload=false`)).status).toBe(400);
    router.faults.clear();
    expect((await fetch(`${url}/metrics?model=b&autoload=false`)).status).toBe(400);
  });
});

it('hangs', async () => {
  router.faults.next({ on: '/models', kind: 'hang' });
  await expect(fetch(`${url}/models`, { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout');
  expect(await answersWell()).toBe(true);
});

it('resets the connection', async () => {
  router.faults.next({ on: '/models', kind: 'reset' });
  await expect(listing()).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
});

it('answers garbage or an empty body', async () => {
  router.faults.next({ on: '/models', kind: 'garbage' });
  await expect((await listing()).json()).rejects.toThrow('JSON');
  router.faults.next({ on: '/models', kind: 'empty' });
  expect(await (await listing()).text()).toBe('');
});

it('answers late or slowly', async () => {
  for (const kind of ['late', 'slow_body'] as const) {
    router.faults.next({ on: '/models', kind, seconds: 0.06 });
    const asked = performance.now();
    expect(await answersWell()).toBe(true);
    expect(performance.now() - asked).toBeGreaterThan(40);
  }
});

it('answers a huge body while the client reads', async () => {
  router.faults.next({ on: '/models', kind: 'huge_body', bytes: 1_000_000 });
  expect((await (await listing()).text()).length).toBe(1_000_000);
});

describe('the stream', () => {
  const client = () => createRouterClient({ url } as never, 1);

  it('ends in the middle of an event', async () => {
    router.faults.next({ on: '/models/sse', kind: 'half_event' });
    const { until, listen } = client();
    const ears = await listen();
    await until('the end', () => ears.ended);
    expect(ears.text).toBe('data: {"model":"half","event":"status_ch');
  });

  it('drops its connections and serves new ones', async () => {
    const { until, listen } = client();
    const dropped = await listen();
    router.stream.drop();
    await until('the end', () => dropped.ended);
    const again = await listen();
    await router.load('a');
    await again.status('a', 'loaded');
  });

  it('freezes: open connections stay open and silent', async () => {
    const { listen } = client();
    const frozen = await listen();
    router.stream.freeze();
    const fresh = await listen();
    await router.load('a');
    await fresh.status('a', 'loaded');
    expect([frozen.text, frozen.ended]).toEqual(['', false]);
  });

  it('sends raw text', async () => {
    const { listen, until } = client();
    const ears = await listen();
    router.stream.sendRaw('data: {"model":"a"\n\n: a comment\n\n');
    await until('the text', () => ears.text !== '');
    expect(ears.text).toBe('data: {"model":"a"\n\n: a comment\n\n');
    expect(router.stream.listeners).toBe(1);
  });
});
