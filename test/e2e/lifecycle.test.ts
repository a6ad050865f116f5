import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Operation } from '../../src/unload/report.ts';
import { aRequest } from '../support/a-request.ts';
import { buildUnderTest } from '../support/build-under-test.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { generate, order as orderOn, statusesOf, untilItHears } from '../support/orders.ts';
import { complete, oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

/** The router's places, so that the third load evicts. */
const MODELS_MAX = 2;
const SLEEP_SECONDS = 2;

/** A build that kills models instead of ending them leaves open whether another client unloaded them or they crashed. */
const EXTERNAL = buildUnderTest.killsAtOnce ? 'unknown' : 'external';
const CRASHED = buildUnderTest.killsAtOnce ? 'unknown' : 'crashed';

let router: RealRouter;
let napper: RealRouter;
let proxy: TcpProxy;
let exporter: RunningExporter;

/** The expected counters of both routers: each step adds its changes. */
const truth = new Map<string, number>();

beforeAll(async () => {
  router = await startRealRouter({ modelsMax: MODELS_MAX });
  napper = await startRealRouter({ models: ['tiny-a'], sleepIdleSeconds: SLEEP_SECONDS });
  proxy = await startTcpProxy(router.port);
  await order('load', 'tiny-a');
  await statusIs('tiny-a', 'loaded');
  exporter = await startExporter([`http://127.0.0.1:${proxy.port}`, napper.url]);
});

afterAll(async () => {
  await exporter?.stop();
  await Promise.all([router?.stop(), napper?.stop(), proxy?.close()]);
});

it('does not count a model that is loaded at first sight', async () => {
  expect(await exporter.value('llama_router_model_status', { model: 'tiny-a', status: 'loaded' })).toBe(1);
  await agrees();
});

it('counts a load and how long it took', async () => {
  await order('load', 'tiny-b');
  happened('loads', 'tiny-b');
  await agrees();
  const timed = await exporter.value('llama_router_model_load_duration_seconds_count', { model: 'tiny-b' });
  // A router without event stream may have loaded it between two listings.
  if (buildUnderTest.eventStream) expect(timed).toBe(1);
  else expect([undefined, 0, 1]).toContain(timed);
});

it('counts an unload by another client as external, and the load after it as a reload', async () => {
  await order('unload', 'tiny-b');
  happened('unloads', 'tiny-b', { reason: EXTERNAL });
  await agrees();
  await order('load', 'tiny-b');
  happened('loads', 'tiny-b');
  happened('reloads_after_unload', 'tiny-b', { unload_reason: EXTERNAL, cause: 'unknown' });
  await agrees();
});

it('attributes a reload to the reported cause', async () => {
  await order('unload', 'tiny-b');
  happened('unloads', 'tiny-b', { reason: EXTERNAL });
  await agrees();
  const reports = [
    { model: 'tiny-b', router: `127.0.0.1:${proxy.port}`, cause: 'task', task: 'title_generation' },
  ];
  const answer = await fetch(`${exporter.url}/api/v1/usage`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ reports }),
  });
  expect(await answer.json()).toEqual({ accepted: 1, ignored: [] });
  await complete(router, 'tiny-b', { tokens: 2 });
  happened('loads', 'tiny-b');
  happened('reloads_after_unload', 'tiny-b', { unload_reason: EXTERNAL, cause: 'task' });
  await agrees();
});

it('counts an eviction, of the model that was used least recently', async () => {
  await order('load', 'tiny-c');
  evicted('tiny-a');
  happened('loads', 'tiny-c');
  await agrees();
});

it('counts a load that fails, and what was evicted for it', async () => {
  await order('load', 'broken');
  evicted('tiny-b');
  happened('load_failures', 'broken');
  await agrees();
  expect(await exporter.value('llama_router_model_load_failed', { model: 'broken' })).toBe(1);
});

it('counts a crash', async () => {
  await statusIs('tiny-c', 'loaded');
  await router.crash('tiny-c');
  happened('unloads', 'tiny-c', { reason: CRASHED });
  await agrees();
  expect(await exporter.value('llama_router_model_load_failed', { model: 'tiny-c' })).toBe(0);
});

it('counts our own unload as requested', async () => {
  await order('load', 'tiny-a');
  happened('loads', 'tiny-a');
  happened('reloads_after_unload', 'tiny-a', { unload_reason: 'evicted', cause: 'unknown' });
  await agrees();
  const operation = await unload('tiny-a');
  expect(operation.outcome).toBe('success');
  expect(operation.routers[0]?.models).toEqual([
    expect.objectContaining({ model: 'tiny-a', result: buildUnderTest.killsAtOnce ? 'forced' : 'unloaded' }),
  ]);
  happened('unloads', 'tiny-a', { reason: 'requested' });
  if (buildUnderTest.killsAtOnce) happened('forced_stops', 'tiny-a');
  await agrees();
});

it('counts a generating model that is killed by our unload as requested: no crash, no failed load', async () => {
  await order('load', 'mid');
  happened('loads', 'mid');
  await agrees();
  const answer = complete(router, 'mid', { tokens: 1_000_000 });
  await until('mid to generate', async () => {
    const metrics = await fetch(`${router.url}/metrics?model=mid&autoload=false`, { headers: oneAnswer });
    return (await metrics.text()).includes('requests_processing 1');
  });
  const operation = await unload('mid');
  expect(operation.routers[0]?.models).toEqual([
    { model: 'mid', result: 'forced', seconds: expect.any(Number), detail: expect.any(String) },
  ]);
  expect((await answer).status).toBe(500);
  happened('unloads', 'mid', { reason: 'requested' });
  happened('forced_stops', 'mid');
  await agrees();
  expect(await exporter.value('llama_router_model_load_failed', { model: 'mid' })).toBe(0);
});

it('counts sleeping and waking, and neither as a load', async () => {
  await fetch(`${napper.url}/models/load`, { method: 'POST', body: '{"model":"tiny-a"}' });
  await exporter.untilValue('llama_router_model_sleeps_total', { router: `127.0.0.1:${napper.port}` }, 1);
  // Busy from then on: it does not fall asleep again.
  await generate(napper, 'tiny-a', 10_000_000);
  await exporter.untilValue('llama_router_model_wakes_total', { router: `127.0.0.1:${napper.port}` }, 1);
  const name = `127.0.0.1:${napper.port}`;
  happened('loads', 'tiny-a', { router: name });
  happened('sleeps', 'tiny-a', { router: name });
  happened('wakes', 'tiny-a', { router: name });
  await napper.stop();
  await exporter.untilValue('llama_router_up', { router: name }, 0);
  await agrees();
});

it('publishes nothing about the state of models while their router is down', async () => {
  const name = `127.0.0.1:${napper.port}`;
  expect(await exporter.value('llama_router_model_status', { router: name })).toBeUndefined();
  expect(await exporter.value('llama_router_model_loads_total', { router: name })).toBe(1);
  expect(await exporter.value('llama_router_up', { router: `127.0.0.1:${proxy.port}` })).toBe(1);
});

it('counts what happened while the event stream was lost', async () => {
  proxy.cut();
  await exporter.untilValue('llama_router_up', { router: `127.0.0.1:${proxy.port}` }, 0);
  await order('load', 'tiny-b');
  await statusIs('tiny-b', 'loaded');
  await order('unload', 'tiny-b');
  await statusIs('tiny-b', 'unloaded');
  await order('load', 'tiny-c');
  await statusIs('tiny-c', 'loaded');
  proxy.mend();
  if (buildUnderTest.killsAtOnce) {
    // A listing shows a process that came and was killed, like a load that failed.
    happened('load_failures', 'tiny-b');
  } else {
    happened('loads', 'tiny-b');
    happened('reloads_after_unload', 'tiny-b', { unload_reason: 'evicted', cause: 'unknown' });
    happened('unloads', 'tiny-b', { reason: EXTERNAL });
  }
  happened('loads', 'tiny-c');
  happened('reloads_after_unload', 'tiny-c', { unload_reason: CRASHED, cause: 'unknown' });
  await agrees();
});

it('counts the models of a killed router as unloaded once', async () => {
  await router.kill();
  await exporter.untilValue('llama_router_up', { router: `127.0.0.1:${proxy.port}` }, 0);
  await router.restart();
  await exporter.untilValue('llama_router_up', { router: `127.0.0.1:${proxy.port}` }, 1);
  happened('unloads', 'tiny-c', { reason: 'external' });
  await agrees();
});

it('sees models appear and vanish', async () => {
  await router.addModel('tiny-new');
  await router.removeModel('tiny-b');
  await router.rescan();
  await until('tiny-new to be seen', async () => {
    const seen = await exporter.value('llama_router_model_status', { model: 'tiny-new', status: 'unloaded' });
    const gone = await exporter.value('llama_router_model_status', { model: 'tiny-b', status: 'unloaded' });
    return seen === 1 && gone === undefined;
  });
  await router.addModel('tiny-b');
  await router.rescan();
  await agrees();
});

const COUNTED = buildUnderTest.eventStream
  ? 'as 200 loads and 200 unloads'
  : 'as at most as many as there were';

it(`counts 200 fast cycles ${COUNTED}`, async () => {
  const before = await totals('tiny-new');
  for (let cycle = 0; cycle < 200; cycle += 1) {
    await order('load', 'tiny-new');
    await statusIs('tiny-new', 'loaded');
    await order('unload', 'tiny-new');
    await statusIs('tiny-new', 'unloaded');
  }
  if (!buildUnderTest.eventStream) {
    const { loads, unloads } = await totals('tiny-new');
    expect(loads - before.loads).toBeGreaterThan(0);
    expect(loads - before.loads).toBeLessThanOrEqual(200);
    expect(unloads - before.unloads).toBeLessThanOrEqual(200);
    return;
  }
  await until(
    'the cycles to be counted',
    async () => (await totals('tiny-new')).unloads === before.unloads + 200,
  );
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await totals('tiny-new')).toEqual({ loads: 200, unloads: 200, reloads: 199 });
}, 600_000);

async function totals(model: string): Promise<{ loads: number; unloads: number; reloads: number }> {
  const all = Object.entries(await counted()).map(([series, value]) => ({
    series: JSON.parse(series),
    value,
  }));
  const sum = (what: string) =>
    all
      .filter(({ series }) => series[0] === `llama_router_model_${what}_total` && series[2] === model)
      .reduce((total, { value }) => total + value, 0);
  return { loads: sum('loads'), unloads: sum('unloads'), reloads: sum('reloads_after_unload') };
}

function happened(
  what: string,
  model: string,
  { router: name = `127.0.0.1:${proxy.port}`, ...labels }: Record<string, string> = {},
  times = 1,
): void {
  const series = JSON.stringify([`llama_router_model_${what}_total`, name, model, ...Object.values(labels)]);
  truth.set(series, (truth.get(series) ?? 0) + times);
}

function evicted(model: string): void {
  happened('unloads', model, { reason: 'evicted' });
  if (buildUnderTest.killsAtOnce) happened('forced_stops', model);
}

/** Every model counter that is not 0 equals the truth: none missing, none more. */
async function agrees(): Promise<void> {
  const wanted = Object.fromEntries([...truth].sort());
  await until(
    'the counters to agree',
    async () => JSON.stringify(await counted()) === JSON.stringify(wanted),
  ).catch(() => {});
  // Once more after a while: a count that comes too late or twice would show now.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await counted()).toEqual(wanted);
}

async function counted(): Promise<Record<string, number>> {
  const series = (await exporter.scrape())
    .split('\n')
    .map((line) =>
      /^(llama_router_model_\w+_total)\{router="([^"]*)",model="([^"]*)"(?:,\w+="([^"]*)")?(?:,\w+="([^"]*)")?\} (\d+)$/.exec(
        line,
      ),
    )
    .filter((match) => match !== null && match[6] !== '0')
    .map(
      (match) =>
        [
          JSON.stringify(match?.slice(1, 6).filter((part) => part !== undefined)),
          Number(match?.[6]),
        ] as const,
    );
  return Object.fromEntries(series.sort());
}

function unload(model: string): Promise<Operation> {
  return exporter.service.operations.start(
    aRequest({ routers: [`127.0.0.1:${proxy.port}`], models: [model], timeoutMs: 30_000, whenBusy: 'force' }),
  ).done;
}

async function order(what: 'load' | 'unload', model: string): Promise<void> {
  if (what === 'unload') await untilItHears();
  await orderOn(router, what, model);
}

async function statusIs(model: string, wanted: string): Promise<void> {
  const isWanted = async () => (await statusesOf(router))[model] === wanted;
  await until(`${model} to be ${wanted}`, isWanted, { everyMs: 5 });
}
