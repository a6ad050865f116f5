import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Clock } from '../../src/lib/clock.ts';
import { aRequest } from '../support/a-request.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { createHurriedClock } from '../support/hurried-clock.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

let router: TestRouter;
let exporter: RunningExporter;

beforeEach(async () => {
  router = createTestRouter({
    models: ['a', 'b', 'c', 'd'].map((id) => ({
      id,
      loadSeconds: 0.02,
      wakeSeconds: 0.02,
      tokensPerSecond: 1000,
    })),
    modelsMax: 0,
    sleepIdleSeconds: 60,
    exitSeconds: 0.01,
    stopTimeoutSeconds: 0.05,
  });
  await router.listen();
});
afterEach(async () => {
  await exporter.stop();
  await router.stop();
});

const start = async (flags: Record<string, string> = {}, parts: { clock?: Clock } = {}) => {
  exporter = await startExporter([router.url], { 'engine.interval': '1s', ...flags }, {}, parts);
};
/** Where the order of requests is no matter: a model is read three seconds after its load. */
const startHurried = (flags: Record<string, string> = {}) =>
  start({ 'engine.interval': '10s', ...flags }, { clock: createHurriedClock(10) });
const text = async (path: string) => (await fetch(`${exporter.url}${path}`)).text();

it('sends no request to a model that is not loaded, in any order of loads and unloads', async () => {
  const models = ['a', 'b', 'c', 'd'];
  await Promise.all(models.map((model) => router.load(model)));
  await start();
  await exporter.untilValue('llama_router_model_engine_metrics_success', { model: 'd' }, 1);
  for (let round = 0; round < 40; round += 1) {
    const model = models[round % 4] ?? 'a';
    if (round % 3 === 0) void router.load(model);
    if (round % 3 === 1) void router.request(model, { seconds: 0.05 });
    if (round % 7 === 5) router.unload(model);
    await exporter.scrape();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(router.violations).toEqual([]);
  expect(router.count('/metrics')).toBeGreaterThan(3);
});

it('sends no request to a model that it unloads', async () => {
  await start();
  for (let cycle = 0; cycle < 10; cycle += 1) {
    await router.load('a');
    // The count and not the status: on a busy machine the model may be asleep before the next scrape.
    await exporter.untilValue('llama_router_model_loads_total', { model: 'a' }, cycle + 1);
    await exporter.service.operations.start(
      aRequest({ routers: [], models: ['a'], timeoutMs: 2000, whenBusy: 'force' }),
    ).done;
  }
  expect(router.violations).toEqual([]);
});

it('publishes the metrics of models together with its own', async () => {
  await router.load('a');
  await startHurried();
  await until('the reading', async () => (await text('/metrics')).includes('llamacpp:requests_processing{'));
  expect(await text('/metrics')).toContain('llama_router_up');
  expect((await fetch(`${exporter.url}/metrics/engine`)).status).toBe(404);
});

it('publishes them on a separate path', async () => {
  await router.load('a');
  await startHurried({ 'engine.publish': 'apart' });
  await until('the reading', async () =>
    (await text('/metrics/engine')).includes('llamacpp:requests_processing{'),
  );
  expect(await text('/metrics/engine')).not.toContain('llama_router_up');
  expect(await text('/metrics')).not.toContain('llamacpp:');
  expect(await exporter.value('llama_router_model_busy', { model: 'a' })).toBe(0);
});

it('publishes none of them, and knows which models are busy', async () => {
  await router.load('a');
  await startHurried({ 'engine.publish': 'off' });
  await exporter.untilValue('llama_router_model_busy', { model: 'a' }, 0);
  expect(await text('/metrics')).not.toContain('llamacpp:');
});

it('answers a scrape at once while one model hangs', async () => {
  router.faults.next({ on: '/metrics', model: 'a', kind: 'hang', times: 100 });
  await Promise.all([router.load('a'), router.load('b')]);
  await startHurried();
  await exporter.untilValue('llama_router_model_engine_metrics_success', { model: 'b' }, 1);
  const startedAt = performance.now();
  await exporter.scrape();
  expect(performance.now() - startedAt).toBeLessThan(2500); // A read times out after three seconds.
  expect(await exporter.value('llamacpp:requests_processing', { model: 'a' })).toBeUndefined();
});

it('reads nothing with engine.read: off, and asks a model only before its unload', async () => {
  await router.load('a');
  await startHurried({ 'engine.read': 'off' });
  await exporter.untilValue('llama_router_model_status', { model: 'a', status: 'loaded' }, 1);
  const { done } = exporter.service.operations.start(aRequest({ routers: [], models: ['a'], dryRun: true }));
  await done;
  expect(router.count('/metrics')).toBe(0);
  expect(await exporter.value('llama_router_model_busy', { model: 'a' })).toBeUndefined();
  await exporter.service.operations.start(aRequest({ routers: [], models: ['a'] })).done;
  expect(router.count('/metrics')).toBe(1);
});
