import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { UNLOAD_REASONS } from '../../src/models/router-state.ts';
import { buildUnderTest } from '../support/build-under-test.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { suspend } from '../support/process-table.ts';
import { oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

/** Alternations of two clients; `npm run bench -- evictions` counts the kills of many. */
const PAIRS = 8;
/** A model is not read in the three seconds after its load. */
const UNREAD_MS = 2500;

let router: RealRouter;
let exporter: RunningExporter;

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b'], modelsMax: 1 });
  exporter = await startExporter([router.url], { 'engine.interval': '1s' });
});
afterAll(async () => {
  await exporter?.stop();
  await router?.stop();
});

it('asks no model while clients alternate between two models on a router with one place', async () => {
  const requests = await until('clients that alternate fast', alternate);
  expect(requests).toHaveLength(PAIRS * 2);
  await exporter.untilValue('llama_router_model_status', { model: 'tiny-b', status: 'loaded' }, 1);
  await exporter.untilValue('llama_router_model_engine_metrics_success', { model: 'tiny-b' }, 1);
});

it('counts an eviction that had to be forced as an eviction, and as forced', async () => {
  await tokenize('tiny-a');
  await exporter.untilValue('llama_router_model_status', { model: 'tiny-a', status: 'loaded' }, 1);
  const before = await ends();
  // A stopped process misses the order to exit, and is killed.
  await suspend(router.childPid('tiny-a') ?? Number.NaN);
  await tokenize('tiny-b');
  await exporter.untilValue('llama_router_model_status', { model: 'tiny-a', status: 'unloaded' }, 1);
  await until('the unload to be counted', async () => (await ends()).all === before.all + 1);
  const after = await ends();
  expect(after.crashed).toBe(before.crashed);
  // Two listings do not show why a process was killed.
  if (!buildUnderTest.eventStream) return;
  expect([after.evicted, after.forced]).toEqual([before.evicted + 1, before.forced + 1]);
  expect(exporter.log()).toContain('msg="model killed: it did not stop in time"');
});

/** The requests that models got; undefined if a busy machine left one alone long enough to be read. */
async function alternate(): Promise<string[] | undefined> {
  const before = router.log().length;
  const requests = () =>
    router
      .log()
      .slice(before)
      .match(/proxying request to model/g) ?? [];
  let longestMs = 0;
  for (let request = 0; request < PAIRS * 2; request += 1) {
    const startedAt = performance.now();
    await tokenize(request % 2 === 0 ? 'tiny-a' : 'tiny-b');
    // An answer can arrive before the log line about its request.
    await until('the request in the log', async () => requests().length > request);
    longestMs = Math.max(longestMs, performance.now() - startedAt);
  }
  return longestMs < UNREAD_MS ? requests() : undefined;
}

/** The counted ends of `tiny-a`. */
async function ends() {
  const value = async (name: string, labels = {}) =>
    (await exporter.value(`llama_router_model_${name}_total`, { model: 'tiny-a', ...labels })) ?? 0;
  const counts = await Promise.all(UNLOAD_REASONS.map((reason) => value('unloads', { reason })));
  return {
    all: counts.reduce((sum, count) => sum + count, 0),
    evicted: await value('unloads', { reason: 'evicted' }),
    crashed: await value('unloads', { reason: 'crashed' }),
    forced: await value('forced_stops'),
  };
}

/** Has the model loaded, and answered. */
async function tokenize(model: string): Promise<void> {
  const body = JSON.stringify({ model, content: 'a' });
  const headers = { 'Content-Type': 'application/json', ...oneAnswer };
  const answer = await fetch(`${router.url}/tokenize`, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
}
