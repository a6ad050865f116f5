import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { classifyBuild } from '../../src/backends/llama-server/build.ts';
import { buildUnderTest } from '../support/build-under-test.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { load, statusesOf } from '../support/orders.ts';
import { complete, oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

/** Of llama-server; `SLEEP_SECONDS=20 WATCH_SECONDS=300` repeats the suite at the pace of real use. */
const SLEEP_SECONDS = Number(process.env.SLEEP_SECONDS ?? 3);
/** How long a sleeping model is watched. */
const WATCH_SECONDS = Number(process.env.WATCH_SECONDS ?? 6);
const LONG = (SLEEP_SECONDS * 4 + WATCH_SECONDS + 30) * 1000;

describe(`llama-server ${buildUnderTest.name} by itself`, () => {
  let router: RealRouter;
  beforeAll(async () => {
    router = await startRealRouter({ models: ['tiny-a'], sleepIdleSeconds: SLEEP_SECONDS });
  });
  afterAll(() => router?.stop());

  it(buildUnderTest.eventStream ? 'has an event stream' : 'has no event stream', async () => {
    const ended = new AbortController();
    const answer = await fetch(`${router.url}/models/sse`, { signal: ended.signal });
    ended.abort();
    expect(answer.status).toBe(buildUnderTest.eventStream ? 200 : 404);
  });

  it(
    buildUnderTest.readsExempt ? 'lets a model sleep that is read' : 'keeps a model awake that is read',
    async () => {
      await load(router, 'tiny-a');
      const readingSince = performance.now();
      while (performance.now() - readingSince < (SLEEP_SECONDS + 2) * 1000) {
        const read = await fetch(`${router.url}/metrics?model=tiny-a&autoload=false`, { headers: oneAnswer });
        expect(read.status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      const status = buildUnderTest.readsExempt ? 'sleeping' : 'loaded';
      expect(await statusesOf(router)).toEqual({ 'tiny-a': status });
    },
    LONG,
  );

  it('is never taken for a build that may be read while it is not one', async () => {
    const { build_info } = (await (await fetch(`${router.url}/props`)).json()) as { build_info: string };
    const found = classifyBuild(build_info, buildUnderTest.eventStream ? 'connected' : 'unsupported');
    expect(found === 'reads_exempt').toBe(buildUnderTest.readsExempt);
    expect(found === 'no_event_stream').toBe(!buildUnderTest.eventStream);
  });
});

describe('with an exporter that reads models every second', () => {
  let router: RealRouter;
  let exporter: RunningExporter;
  beforeAll(async () => {
    router = await startRealRouter({ models: ['tiny-a'], sleepIdleSeconds: SLEEP_SECONDS });
    exporter = await startExporter([router.url], { 'engine.interval': '1s' });
  });
  afterAll(async () => {
    await exporter?.stop();
    await router?.stop();
  });

  it(
    'a model falls asleep on time',
    async () => {
      await load(router, 'tiny-a');
      await fallsAsleepOnTime();
    },
    LONG,
  );

  it(
    'a sleeping model stays asleep and gets no requests',
    async () => {
      const before = router.log().length;
      const watchedSince = performance.now();
      while (performance.now() - watchedSince < WATCH_SECONDS * 1000) {
        await exporter.scrape();
        expect(await statusesOf(router)).toEqual({ 'tiny-a': 'sleeping' });
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      expect(router.log().slice(before)).not.toContain('proxying request to model');
      expect(await exporter.value('llama_router_model_status', { status: 'sleeping' })).toBe(1);
    },
    LONG,
  );

  it(
    'a model that was woken by a request falls asleep on time again',
    async () => {
      expect(await complete(router, 'tiny-a', { tokens: 1 })).toMatchObject({ status: 200 });
      await fallsAsleepOnTime();
    },
    LONG,
  );

  async function fallsAsleepOnTime(): Promise<void> {
    const idleSince = performance.now();
    const asleep = async () =>
      (await exporter.scrape()) && (await statusesOf(router))['tiny-a'] === 'sleeping';
    await until('the model to fall asleep', asleep, { everyMs: 200, timeoutMs: (SLEEP_SECONDS + 4) * 1000 });
    const seconds = (performance.now() - idleSince) / 1000;
    expect(seconds).toBeGreaterThan(SLEEP_SECONDS - 1);
    expect(seconds).toBeLessThan(SLEEP_SECONDS + 1.5);
  }
});
