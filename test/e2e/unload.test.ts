import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Operation } from '../../src/unload/report.ts';
import { buildUnderTest } from '../support/build-under-test.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { empty, generate, keepBusy, load, order, runningOn, statusesOf } from '../support/orders.ts';
import { isAlive, suspend } from '../support/process-table.ts';
import {
  complete,
  type RealRouter,
  type RealRouterOptions,
  startRealRouter,
} from '../support/real-router.ts';
import { until } from '../support/until.ts';
import { withoutEventStream } from '../support/without-event-stream.ts';

const FOUR = ['tiny-a', 'tiny-b', 'tiny-c', 'tiny-d'];

const endedLoad = (model: string) => ({ model, result: 'unloaded', seconds: expect.any(Number) });
const killed = (model: string) => ({
  model,
  result: 'forced',
  seconds: expect.any(Number),
  detail: 'it did not stop by itself and was killed',
});
const unloaded = buildUnderTest.killsAtOnce ? killed : endedLoad;

/** Far more than what is done at once takes on a busy machine, and less than the router's stop timeout of ten seconds. */
const AT_ONCE_SECONDS = 8;

interface Answer {
  readonly status: number;
  readonly operation: Operation;
  readonly seconds: number;
}

async function unloadAll(exporter: RunningExporter, body: object = {}): Promise<Answer> {
  const startedAt = performance.now();
  const answer = await fetch(`${exporter.url}/api/v1/unload-all`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const operation = (await answer.json()) as Operation;
  return { status: answer.status, operation, seconds: (performance.now() - startedAt) / 1000 };
}

/** The operation as it is now. */
async function current(exporter: RunningExporter, { id }: Operation): Promise<Operation> {
  return (await (await fetch(`${exporter.url}/api/v1/operations/${id}`)).json()) as Operation;
}

/** Resolves when the operation waits for mid, and for nothing else, because of `detail`. */
async function waitsFor(exporter: RunningExporter, operation: Operation, detail: string): Promise<void> {
  const wanted = JSON.stringify([{ model: 'mid', result: null, detail }]);
  await until(wanted, async () => JSON.stringify(modelsOf(await current(exporter, operation))) === wanted);
}

/** The operation after its end. */
function ended(exporter: RunningExporter, started: Operation): Promise<Operation> {
  return until('the operation to end', async () => {
    const operation = await current(exporter, started);
    return operation.outcome !== null && operation;
  });
}

const modelsOf = ({ routers }: Operation) => routers.flatMap(({ models }) => models);

async function statusIs(exporter: RunningExporter, status: string, ...models: string[]): Promise<void> {
  for (const model of models) await exporter.untilValue('llama_router_model_status', { model, status }, 1);
}

const ends: (() => Promise<void>)[] = [];

/** A router and an exporter that follows it, until the end of the test. */
async function aPair(
  options: RealRouterOptions,
  flags: Record<string, string> = {},
): Promise<{ router: RealRouter; exporter: RunningExporter }> {
  const router = await startRealRouter(options);
  ends.push(router.stop);
  const exporter = await startExporter([router.url], flags);
  ends.push(exporter.stop);
  return { router, exporter };
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('unloading everything', () => {
  let router: RealRouter;
  let exporter: RunningExporter;

  beforeAll(async () => {
    router = await startRealRouter({ models: [...FOUR, 'mid'], modelsMax: 0 });
    exporter = await startExporter([router.url]);
  });
  afterEach(() => empty(router));
  afterAll(async () => {
    await exporter?.stop();
    await router?.stop();
  });

  it('unloads idle models, and answers when they are gone', async () => {
    await load(router, ...FOUR);
    await statusIs(exporter, 'loaded', ...FOUR);
    const processes = FOUR.map((model) => router.childPid(model) ?? 0);
    const { status, operation } = await unloadAll(exporter, { reason: 'a training job' });
    expect(processes.filter(isAlive)).toEqual([]);
    expect(status).toBe(200);
    expect(operation).toMatchObject({
      trigger: 'api',
      caller: { name: 'loopback' },
      reason: 'a training job',
      outcome: 'success',
      summary: { unloaded: 4, already_unloaded: 0, kept: 0, busy: 0, failed: 0 },
    });
    expect(modelsOf(operation)).toEqual(FOUR.map(unloaded));
    expect(await runningOn(router)).toEqual([]);
  });

  it('skips a generating model on request, and unloads the idle ones', async () => {
    await load(router, 'tiny-a');
    const generation = await keepBusy(router, 'mid');
    const { status, operation } = await unloadAll(exporter, { when_busy: 'skip' });
    expect(status).toBe(200);
    expect(operation.outcome).toBe('success');
    expect(modelsOf(operation)).toEqual([
      { model: 'mid', result: 'busy', detail: 'it is generating' },
      unloaded('tiny-a'),
    ]);
    expect(await generation.finish()).toBe(true);
    expect(await runningOn(router)).toEqual(['mid']);
  });

  it('waits for a generating model, and unloads it when it is idle', async () => {
    const generation = await keepBusy(router, 'mid');
    const { status, operation } = await unloadAll(exporter, { when_busy: 'wait', wait: 0.5 });
    expect(status).toBe(202);
    await waitsFor(exporter, operation, 'it is generating');
    expect(await complete(router, 'mid', { tokens: 20 })).toMatchObject({ status: 200, tokens: 20 });
    expect(await generation.finish()).toBe(true);
    expect(modelsOf(await ended(exporter, operation))).toEqual([unloaded('mid')]);
    expect(await runningOn(router)).toEqual([]);
  });

  const WHEN = buildUnderTest.killsAtOnce ? 'at once' : "after the router's stop timeout of ten seconds";

  it(`unloads a generating model by force, ${WHEN}`, async () => {
    const { answer } = await generate(router, 'mid', 1_000_000);
    const unloads = async () => {
      const of = (reason: string) =>
        exporter.value('llama_router_model_unloads_total', { model: 'mid', reason });
      return { requested: (await of('requested')) ?? 0, crashed: (await of('crashed')) ?? 0 };
    };
    // Emptying the router after an earlier test may have killed it, which looks like a crash.
    const before = await unloads();
    const wait = buildUnderTest.killsAtOnce ? 60 : 0.5;
    const { status, operation } = await unloadAll(exporter, { when_busy: 'force', wait });
    expect(status).toBe(buildUnderTest.killsAtOnce ? 200 : 202);
    const result = modelsOf(await ended(exporter, operation));
    expect(result).toEqual([killed('mid')]);
    const took = (result[0] as { seconds: number }).seconds;
    const [least, most] = buildUnderTest.killsAtOnce ? [0, AT_ONCE_SECONDS] : [9.5, 20];
    expect(took).toBeGreaterThan(least);
    expect(took).toBeLessThan(most);
    expect(await answer).toMatchObject({ status: 500, body: expect.stringContaining('proxy error') });
    expect(await unloads()).toEqual({ ...before, requested: before.requested + 1 });
    expect(await exporter.value('llama_router_model_load_failed', { model: 'mid' })).toBe(0);
    expect(await exporter.value('llama_router_model_load_failures_total', { model: 'mid' })).toBe(0);
  });

  it('waits for a loading model, and then unloads it', async () => {
    const resume = await stoppedWhileLoading('mid');
    const { status, operation } = await unloadAll(exporter, { wait: 0.3 });
    expect(status).toBe(202);
    await waitsFor(exporter, operation, 'it is still loading');
    resume();
    expect(modelsOf(await ended(exporter, operation))).toEqual([unloaded('mid')]);
    expect(await runningOn(router)).toEqual([]);
  });

  it('ends a load by force', async () => {
    const failures = await exporter.value('llama_router_model_load_failures_total', { model: 'mid' });
    const resume = await stoppedWhileLoading('mid');
    const { operation } = await unloadAll(exporter, { when_busy: 'force', wait: false });
    resume();
    expect(modelsOf(await ended(exporter, operation))).toEqual([endedLoad('mid')]);
    expect(await runningOn(router)).toEqual([]);
    expect(await exporter.value('llama_router_model_load_failures_total', { model: 'mid' })).toBe(failures);
    expect(await exporter.value('llama_router_model_load_failed', { model: 'mid' })).toBe(0);
  });

  /** Stops its process while it loads, on any machine; call the returned function to resume it. */
  async function stoppedWhileLoading(model: string): Promise<() => void> {
    const pid = await until(`${model} to be stopped while it loads`, () => stoppedInTime(model));
    await statusIs(exporter, 'loading', model);
    expect(await statusesOf(router)).toMatchObject({ [model]: 'loading' });
    // It may have been killed meanwhile, which is what stops it for good.
    return () => void (isAlive(pid) && process.kill(pid, 'SIGCONT'));
  }

  /** A busy machine may be too slow for that; then it is unloaded. */
  async function stoppedInTime(model: string): Promise<number | undefined> {
    await order(router, 'load', model);
    const pid = await until('its process', () => router.childPid(model), { everyMs: 1 });
    await suspend(pid);
    if ((await statusesOf(router))[model] === 'loading') return pid;
    process.kill(pid, 'SIGCONT');
    await empty(router);
    return undefined;
  }
});

describe('a llama-server without --metrics', () => {
  it('detects busy models by their slots', async () => {
    const { router, exporter } = await aPair({ models: ['tiny-a', 'mid'], metrics: false });
    await load(router, 'tiny-a');
    const generation = await keepBusy(router, 'mid');
    const { operation } = await unloadAll(exporter, { when_busy: 'skip' });
    expect(modelsOf(operation)).toEqual([
      { model: 'mid', result: 'busy', detail: 'it is generating' },
      unloaded('tiny-a'),
    ]);
    expect(await generation.finish()).toBe(true);
  });

  it('unloads only by force without slots, and explains why', async () => {
    const { router, exporter } = await aPair({ models: ['tiny-a'], metrics: false, args: ['--no-slots'] });
    await load(router, 'tiny-a');
    await statusIs(exporter, 'loaded', 'tiny-a');
    const { status, operation } = await unloadAll(exporter);
    expect(status).toBe(502);
    const detail = expect.stringMatching(/^busy state unknown: .*--metrics.*--when-busy force$/);
    expect(modelsOf(operation)).toEqual([{ model: 'tiny-a', result: 'failed', detail }]);
    expect(await runningOn(router)).toEqual(['tiny-a']);
    const forced = await unloadAll(exporter, { when_busy: 'force' });
    expect(forced.status).toBe(200);
    expect(modelsOf(forced.operation)).toEqual([unloaded('tiny-a')]);
  });
});

it('unloads a sleeping model without waking it', async () => {
  const { router, exporter } = await aPair({ models: ['tiny-a'], sleepIdleSeconds: 1 });
  await load(router, 'tiny-a');
  await statusIs(exporter, 'sleeping', 'tiny-a');
  const before = router.log().length;
  const { status, operation } = await unloadAll(exporter);
  expect(status).toBe(200);
  expect(modelsOf(operation)).toEqual([unloaded('tiny-a')]);
  expect(router.log().slice(before)).not.toContain('proxying request to model');
  expect(exporter.log()).not.toContain('model woke');
  expect(await exporter.value('llama_router_model_wakes_total', { model: 'tiny-a' })).toBe(0);
});

it('unloads what was loaded a moment ago on a build without event stream, ten times in a row', async () => {
  const router = await startRealRouter({ models: FOUR, modelsMax: 0 });
  ends.push(router.stop);
  const old = await withoutEventStream(router);
  ends.push(async () => old.stop());
  const exporter = await startExporter([old.url], { 'follow.polling-interval': '1h' });
  ends.push(exporter.stop);
  for (let round = 0; round < 10; round += 1) {
    await load(router, ...FOUR);
    const { status, operation } = await unloadAll(exporter);
    const models = modelsOf(operation);
    // A build that kills at once may be too late for a model that has nothing to do.
    expect([status, models]).toEqual([
      200,
      FOUR.map((model, at) => (models[at]?.result === 'unloaded' ? endedLoad : unloaded)(model)),
    ]);
    expect([operation.still_in_memory, await runningOn(router)]).toEqual([[], []]);
  }
});

it('says what a waiting client has loaded in place of the unloaded model', async () => {
  const { router, exporter } = await aPair({ models: ['mid', 'tiny-b'], modelsMax: 1 });
  const generation = await keepBusy(router, 'mid');
  const waiting = complete(router, 'tiny-b', { tokens: 1 });
  const { operation } = await unloadAll(exporter, { wait: 0.5 });
  const lasted = await generation.finish();
  const end = operation.outcome === null ? await ended(exporter, operation) : operation;
  const left = end.still_in_memory.map(({ model }) => model);
  // A router that kills the generating model to make room may not have started the other one when the operation ends.
  expect(buildUnderTest.evictsBusy ? [...left, 'tiny-b'].slice(0, 1) : left).toEqual(['tiny-b']);
  expect([lasted, (await waiting).status]).toEqual([!buildUnderTest.evictsBusy, 200]);
});

it('ends a load that is stuck by force, at once', async () => {
  const preset = 'version = 1\n\n[stuck]\nctx-size = 512\n';
  const { router, exporter } = await aPair({ models: ['tiny-a'], preset });
  await order(router, 'load', 'stuck');
  await statusIs(exporter, 'loading', 'stuck');
  const { operation } = await unloadAll(exporter, { busy_timeout_seconds: 1 });
  const detail = expect.stringMatching(/^it is still loading, still after 1s.*--when-busy force$/);
  expect(modelsOf(operation)).toEqual([{ model: 'stuck', result: 'busy', detail }]);
  const forced = await unloadAll(exporter, { when_busy: 'force' });
  expect(modelsOf(forced.operation)).toEqual([endedLoad('stuck')]);
  expect(forced.seconds).toBeLessThan(AT_ONCE_SECONDS);
});

it('fails at once on a llama-server with a single model, which lists no status', async () => {
  const { exporter } = await aPair({ models: ['tiny-a'], single: true });
  const { status, operation, seconds } = await unloadAll(exporter);
  expect([status, operation.outcome]).toEqual([502, 'failed']);
  expect(operation.routers[0]?.fault).toMatchObject({ kind: 'no_statuses' });
  expect(seconds).toBeLessThan(AT_ONCE_SECONDS);
});

describe('next to a router that hangs', () => {
  it.each(['wait', 'force'])('unloads the reachable models at once (%s)', async (whenBusy) => {
    const hanging = await startRealRouter({ models: ['tiny-a'] });
    ends.push(hanging.stop);
    const live = await startRealRouter({ models: FOUR });
    ends.push(live.stop);
    const exporter = await startExporter([live.url, hanging.url], { 'follow.request-timeout': '5s' });
    ends.push(exporter.stop);
    await load(hanging, 'tiny-a');
    await load(live, ...FOUR);
    await statusIs(exporter, 'loaded', ...FOUR);
    await suspend(hanging.pid);
    try {
      const { operation } = await unloadAll(exporter, { when_busy: whenBusy, wait: false });
      const [here, there] = await until('the reachable models to be unloaded', async () => {
        const { routers, outcome } = await current(exporter, operation);
        expect(outcome).toBeNull();
        return routers[0]?.models.length === 4 && routers[0].models.every(({ result }) => result) && routers;
      });
      expect(here?.models).toEqual(FOUR.map(unloaded));
      expect(await runningOn(live)).toEqual([]);
      expect(there).toMatchObject({ models: [] });
      const end = await ended(exporter, operation);
      expect(end.outcome).toBe('partial');
      expect(end.routers[1]).toMatchObject({ models: [], fault: { kind: 'timeout' } });
    } finally {
      process.kill(hanging.pid, 'SIGCONT');
    }
    await exporter.untilValue('llama_router_up', { router: `127.0.0.1:${hanging.port}` }, 1);
  });
});
