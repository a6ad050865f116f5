import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Backend } from '../../src/backends/backend.ts';
import { createSwapClient } from '../../src/backends/llama-swap/client.ts';
import type { RouterEvent, StreamEnd } from '../../src/models/feed.ts';
import { type RealSwap, startRealSwap } from '../support/real-swap.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;
const ENDLESS = 1_000_000;

let swap: RealSwap;
let client: Backend;
let heard: RouterEvent[];
let streamEnd: Promise<StreamEnd>;
let hangUp: AbortController;

beforeAll(async () => {
  swap = await startRealSwap({
    models: [
      { id: 'a' },
      { id: 'b' },
      { id: 'org/c', aliases: ['alias of c'] },
      { id: 'mid', file: 'mid', unloadTimeoutSeconds: 1 },
      { id: 'expires', ttlSeconds: 1 },
      { id: 'broken', file: 'broken' },
      { id: 'endless', command: () => 'sleep 300' },
    ],
    groups: {
      pair: { members: ['a', 'b'], exclusive: false },
      several: { members: ['org/c', 'mid', 'expires', 'broken', 'endless'], swap: false, exclusive: false },
    },
  });
});
afterAll(() => swap.stop());

beforeEach(async () => {
  client = createSwapClient({ url: swap.url, requestTimeoutMs: 20_000, modelTimeoutMs: 20_000 });
  hangUp = new AbortController();
  heard = [];
  streamEnd = client.follow(
    hangUp.signal,
    () => {},
    (event) => heard.push(event),
  );
  await until('the first messages', () => client.inFlight('a') !== undefined, { everyMs: 2 });
});

afterEach(async () => {
  hangUp.abort();
  await client.close();
  await fetch(`${swap.url}/unload`);
});

async function complete(model: string, tokens = 1): Promise<number> {
  const answer = await fetch(`${swap.url}/v1/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'hello', max_tokens: tokens, ignore_eos: true }),
  });
  await answer.text();
  return answer.status;
}

/** The changes of status so far, as `model status`, with the ending of a process. */
function statuses(): string[] {
  return heard.flatMap((event) => {
    if (event.kind !== 'status') return [];
    return [[event.model, event.status, event.ending].filter(Boolean).join(' ')];
  });
}

const settles = (last: string) => until(last, () => statuses().at(-1) === last, { everyMs: 2 });

const statusOf = async (id: string) => {
  const listing = await client.list(never);
  return listing.ok ? listing.value.models.find((model) => model.id === id)?.status : listing.fault;
};

describe("the exporter's client of a real llama-swap", () => {
  it('reports a load and an unload by its order, which is answered when the model is gone', async () => {
    await complete('alias of c');
    await settles('org/c loaded');
    expect(await client.unload('org/c', never)).toEqual({ ok: true, value: 'gone' });
    expect(await statusOf('org/c')).toBe('unloaded');
    await settles('org/c unloaded clean');
    expect(statuses()).toEqual(['org/c loading', 'org/c loaded', 'org/c unloading', 'org/c unloaded clean']);
  });

  it('reports an eviction by the group before the start that it makes room for', async () => {
    await complete('a');
    await complete('b');
    await settles('b loaded');
    expect(statuses()).toEqual([
      ...['a loading', 'a loaded', 'a unloading', 'a unloaded clean'],
      ...['b loading', 'b loaded'],
    ]);
  });

  it('reports a crash, a failed start and an unload while starting as failed', async () => {
    await complete('a');
    await settles('a loaded');
    await swap.crash('a');
    await settles('a unloaded failed');
    expect(await complete('broken')).toBe(500);
    await settles('broken unloaded failed');
    const waiting = complete('endless');
    await settles('endless loading');
    expect(await client.unload('endless', never)).toEqual({ ok: true, value: 'gone' });
    expect(await waiting).toBe(500);
    await settles('endless unloaded failed');
  });

  it('lets a model expire on time although it reads its metrics', async () => {
    await complete('expires');
    await settles('expires loaded');
    let reads = 0;
    await until('the model to expire', async () => {
      const answer = await client.metrics('expires', never);
      if (answer.ok && answer.value.kind === 'text') {
        expect(answer.value.text).toContain('llamacpp:tokens_predicted_total 1\n');
        reads += 1;
      }
      return statuses().at(-1) === 'expires unloaded clean';
    });
    expect(reads).toBeGreaterThan(5);
    expect(await client.metrics('expires', never)).toEqual({ ok: true, value: { kind: 'not_loaded' } });
  });

  it('knows the requests of each model, also those that wait for its load or behind an unload', async () => {
    const cutOff = complete('mid', ENDLESS);
    await settles('mid loaded');
    await complete('org/c');
    await until('the end of one', () => client.inFlight('org/c') === 0);
    expect(client.inFlight('mid')).toBe(1);
    const ordered = client.unload('mid', never);
    await settles('mid unloading');
    const heldUp = complete('org/c');
    await until('the request that is held up', () => client.inFlight('org/c') === 1);
    expect(await ordered).toEqual({ ok: true, value: 'gone' });
    expect([await cutOff, await heldUp]).toEqual([502, 200]);
    await until('the end of both', () => client.inFlight('mid') === 0 && client.inFlight('org/c') === 0);
  });

  it('sees its stream end when llama-swap reads its configuration again', async () => {
    await complete('a');
    await swap.reload();
    expect(await streamEnd).toEqual({ kind: 'ended' });
    await until('the new configuration', async () => (await statusOf('a')) === 'unloaded');
  });

  it('never asks what llama-swap passes on to a model', () => {
    expect(swap.log()).toContain('"GET /running HTTP/1.1" 200');
    expect(swap.log()).not.toMatch(/\/upstream|\/props/);
  });
});
