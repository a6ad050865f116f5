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
const LONG = (SLEEP_SECONDS * 4 + WATCH_SECONDS + 120) * 1000;

const isAsleep = async (router: RealRouter) => (await statusesOf(router))['tiny-a'] === 'sleeping';

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
      const wasReadForLong = async () => {
        const read = await fetch(`${router.url}/metrics?model=tiny-a&autoload=false`, { headers: oneAnswer });
        expect(read.status).toBe(200);
        if (buildUnderTest.readsExempt) return isAsleep(router);
        return performance.now() - readingSince > (SLEEP_SECONDS + 2) * 1000;
      };
      await until('the reads to end', wasReadForLong, { everyMs: 500, timeoutMs: LONG });
      expect(await isAsleep(router)).toBe(buildUnderTest.readsExempt);
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
      await fallsAsleepOnTimeAfter(() => load(router, 'tiny-a'));
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
      await fallsAsleepOnTimeAfter(async () => {
        expect(await complete(router, 'tiny-a', { tokens: 1 })).toMatchObject({ status: 200 });
      });
    },
    LONG,
  );

  /** On time: a read a second would keep it awake for ever, where reads do, and a single one for another period. */
  async function fallsAsleepOnTimeAfter(use: () => Promise<void>): Promise<void> {
    const usedAt = performance.now();
    await use();
    const idleAt = performance.now();
    const before = router.log().length;
    const asleep = async () => (await exporter.scrape()) !== '' && (await isAsleep(router));
    await until('the model to fall asleep', asleep, { everyMs: 200, timeoutMs: LONG });
    expect(performance.now() - usedAt).toBeGreaterThan((SLEEP_SECONDS - 0.1) * 1000);
    expect(performance.now() - idleAt).toBeLessThan(3 * SLEEP_SECONDS * 1000);
    if (!buildUnderTest.readsExempt) {
      expect(router.log().slice(before)).not.toContain('proxying request to model');
    }
  }
});
