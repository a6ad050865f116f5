import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { aRequest } from '../support/a-request.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { generate, load, order, statusesOf, untilItHears } from '../support/orders.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';
import { withoutEventStream } from '../support/without-event-stream.ts';

/** Reads would keep models awake on builds that do not exempt them. */
const FLAGS = { 'engine.interval': '1h' };

/** A real router as of a build without an event stream: 404 for `/models/sse`. */
let router: RealRouter;
let old: Awaited<ReturnType<typeof withoutEventStream>>;
let exporter: RunningExporter;
/** The reason of an end that is neither requested nor an eviction, where the build kills what it unloads. */
let killed: string | undefined;

beforeAll(async () => {
  router = await startRealRouter({ modelsMax: 2 });
  const { data } = (await (await fetch(`${router.url}/models`)).json()) as { data: { status: object }[] };
  killed = data.some(({ status }) => 'failed' in status) ? 'unknown' : undefined;
  old = await withoutEventStream(router);
  exporter = await startExporter([old.url], FLAGS);
});

afterAll(async () => {
  await exporter?.stop();
  old?.stop();
  await router?.stop();
});

/** The counters of one model that are not 0, such as `unloads external: 1`. */
async function countersOf(model: string): Promise<string[]> {
  const lines = (await exporter.scrape()).split('\n');
  return lines.flatMap((line) => {
    const [, name, labels, value] = /^llama_router_model_(\w+)_total\{(.*)\} (\d+)$/.exec(line) ?? [];
    const isCounted = value !== '0' && name !== undefined && !/^(reloads|forced_stops)/.test(name);
    if (!isCounted || !labels?.includes(`model="${model}"`)) return [];
    const [, reason] = /reason="(\w+)"/.exec(labels) ?? [];
    return [`${reason === undefined ? name : `${name} ${reason}`}: ${value}`];
  });
}

async function counts(model: string, wanted: string[]): Promise<void> {
  const reached = async () => JSON.stringify(await countersOf(model)) === JSON.stringify(wanted);
  await until(`the counters of ${model}`, reached).catch(() => {});
  expect(await countersOf(model)).toEqual(wanted);
}

async function isUnloaded(model: string): Promise<void> {
  await until(`${model} to be unloaded`, async () => (await statusesOf(router))[model] === 'unloaded');
}

/** b9093 may list a process that ended by itself for ever; what it unloads ends in the same way. */
async function crash(model: string): Promise<void> {
  await (killed === undefined ? router.crash(model) : order(router, 'unload', model));
}

it('is polled', async () => {
  expect(await exporter.value('llama_router_event_stream_connected')).toBe(0);
});

it('a load and an unload by another client are counted', async () => {
  await load(router, 'tiny-a');
  await counts('tiny-a', ['loads: 1']);
  await order(router, 'unload', 'tiny-a');
  await counts('tiny-a', ['loads: 1', `unloads ${killed ?? 'external'}: 1`]);
});

it('a load that ends between two polls is counted', async () => {
  await load(router, 'tiny-a');
  await untilItHears();
  await order(router, 'unload', 'tiny-a');
  await isUnloaded('tiny-a');
  // A load that ends like a failed one is counted as such, unless a poll showed it loaded.
  if (killed === undefined) return counts('tiny-a', ['loads: 2', 'unloads external: 2']);
  await until('the load to be counted', async () => {
    const counters = (await countersOf('tiny-a')).join();
    return counters.includes('loads: 2') || counters.includes('load_failures: 1');
  });
});

it('a model that is loaded again between two polls was unloaded for an unknown reason', async () => {
  await load(router, 'tiny-b');
  await counts('tiny-b', ['loads: 1']);
  await crash('tiny-b');
  await isUnloaded('tiny-b');
  await load(router, 'tiny-b');
  // A poll may have come between the two.
  await until('the reload to be counted', async () => (await countersOf('tiny-b')).includes('loads: 2'));
  expect(await countersOf('tiny-b')).toEqual([
    'loads: 2',
    expect.stringMatching(/^unloads (unknown|crashed): 1$/),
  ]);
});

it('an eviction, a failed load and a crash are distinguished', async () => {
  await load(router, 'tiny-c');
  await counts('tiny-c', ['loads: 1']);
  await order(router, 'load', 'broken');
  // b9093 may leave it in `loading` for ever; an unload kills it, which looks like a failed load.
  if (killed !== undefined) await order(router, 'unload', 'broken');
  await counts('broken', ['load_failures: 1']);
  await until('an eviction', async () => (await exporter.scrape()).includes('reason="evicted"} 1'));
  await load(router, 'mid');
  await counts('mid', ['loads: 1']);
  await crash('mid');
  await counts('mid', ['loads: 1', `unloads ${killed ?? 'crashed'}: 1`]);
});

it('our own unload is requested, and verified', async () => {
  await load(router, 'mid');
  const asked = aRequest({ models: ['mid'], whenBusy: 'force', timeoutMs: 30_000 });
  const { outcome } = await exporter.service.operations.start(asked).done;
  expect(outcome).toBe('success');
  await counts('mid', ['loads: 2', 'unloads requested: 1', `unloads ${killed ?? 'crashed'}: 1`]);
});

it('sleep and wake are no loads', async () => {
  const napper = await startRealRouter({ models: ['tiny-a'], sleepIdleSeconds: 3 });
  const proxy = await withoutEventStream(napper);
  const follower = await startExporter([proxy.url], FLAGS);
  try {
    await load(napper, 'tiny-a');
    await follower.untilValue('llama_router_model_sleeps_total', { model: 'tiny-a' }, 1);
    // Busy from then on: it does not fall asleep again before a poll.
    await generate(napper, 'tiny-a', 10_000_000);
    await follower.untilValue('llama_router_model_wakes_total', { model: 'tiny-a' }, 1);
    expect(await follower.value('llama_router_model_loads_total', { model: 'tiny-a' })).toBe(1);
  } finally {
    await follower.stop();
    proxy.stop();
    await napper.stop();
  }
});
