import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { buildUnderTest } from '../support/build-under-test.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { keepBusy, order, statusesOf } from '../support/orders.ts';
import { complete, oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

const INTERVAL_SECONDS = 1;
/** How long the models are watched; `npm run bench -- soak` makes it ten minutes. */
const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 12);
const SLEEP_SECONDS = 4;

describe('soak: models that are asleep, unloaded, idle and generating', () => {
  let router: RealRouter;
  /** Its models never sleep. */
  let wakeful: RealRouter;
  let exporter: RunningExporter;
  let generation: Promise<unknown>;

  beforeAll(async () => {
    router = await startRealRouter({
      models: ['tiny-asleep', 'tiny-unloaded', 'tiny-idle', 'tiny-busy', 'broken'],
      modelsMax: 0,
      sleepIdleSeconds: SLEEP_SECONDS,
    });
    wakeful = await startRealRouter({ models: ['tiny-awake', 'tiny-unloaded', 'tiny-used'] });
    exporter = await startExporter([router.url, wakeful.url], { 'engine.interval': `${INTERVAL_SECONDS}s` });
  });
  afterAll(async () => {
    await exporter?.stop();
    await Promise.all([router?.stop(), wakeful?.stop()]);
    await generation?.catch(() => {});
  });

  it('lets models fall asleep on time while scraped every second', async () => {
    await order(router, 'load', 'tiny-asleep');
    await exporter.untilValue('llama_router_model_status', { model: 'tiny-asleep', status: 'loaded' }, 1);
    const loadedAt = Date.now();
    await scrapeEverySecondUntil(async () => (await statusesOf(router))['tiny-asleep'] === 'sleeping');
    // A read a second would keep it awake for ever, on builds where reads do.
    expect((Date.now() - loadedAt) / 1000).toBeLessThan(3 * SLEEP_SECONDS);
  });

  it(
    'neither loads nor wakes anything, and asks about no model that is not loaded',
    async () => {
      await order(router, 'load', 'tiny-busy');
      generation = complete(router, 'tiny-busy', { tokens: 10_000_000 }).catch(() => {});
      await order(router, 'load', 'tiny-idle');
      await until('tiny-idle to be loaded', async () => (await statusesOf(router))['tiny-idle'] === 'loaded');
      expect(await complete(wakeful, 'tiny-awake', { tokens: 1 })).toMatchObject({ status: 200 });
      const before = router.log().length;
      const wakefulBefore = wakeful.log().length;
      const startedAt = Date.now();
      await scrapeEverySecondUntil(() => Date.now() - startedAt > SOAK_SECONDS * 1000);
      const seconds = (Date.now() - startedAt) / 1000;
      const log = router.log().slice(before);
      const wakefulLog = wakeful.log().slice(wakefulBefore);

      expect(await statusesOf(router)).toEqual({
        broken: 'unloaded',
        'tiny-asleep': 'sleeping',
        'tiny-busy': 'loaded',
        'tiny-idle': 'sleeping',
        'tiny-unloaded': 'unloaded',
      });
      const asked = [...log.matchAll(/proxying request to model (\S+) on port/g)].map((match) => match[1]);
      // Where a read restarts the idle timer, a model that has one is not read.
      expect(new Set(asked)).toEqual(new Set(buildUnderTest.readsExempt ? ['tiny-busy', 'tiny-idle'] : []));
      // It is idle for four seconds and then asleep: after that it gets no requests.
      const idleAsked = asked.filter((model) => model === 'tiny-idle');
      expect(idleAsked.length).toBeLessThanOrEqual(Math.max(SLEEP_SECONDS + 2, seconds / 2));
      expect(`${log}${wakefulLog}`).not.toContain('spawning server instance');
      const wakefulAsked = [...wakefulLog.matchAll(/proxying request to model (\S+) on port/g)].map(
        (match) => match[1],
      );
      expect(new Set(wakefulAsked)).toEqual(new Set(['tiny-awake']));
      expect(wakefulAsked.length).toBeGreaterThan((seconds / INTERVAL_SECONDS) * 0.3);
      expect(wakefulAsked.length).toBeLessThanOrEqual(seconds / INTERVAL_SECONDS + 2);
      expect(await exporter.value('llama_router_model_wakes_total', { model: 'tiny-asleep' })).toBe(0);
    },
    (SOAK_SECONDS + 300) * 1000,
  );

  it('reports which models are busy', async () => {
    const generating = await exporter.value('llama_router_model_busy', { model: 'tiny-busy' });
    expect(generating).toBe(buildUnderTest.readsExempt ? 1 : undefined);
    expect(await exporter.value('llama_router_model_busy', { model: 'tiny-awake' })).toBe(0);
    const asleep = await exporter.value('llama_router_model_busy', { model: 'tiny-asleep' });
    expect(asleep).toBe(buildUnderTest.readsExempt ? 0 : undefined);
    expect(await exporter.value('llama_router_model_busy', { model: 'tiny-unloaded' })).toBeUndefined();
  });

  it('reports the start and end of a generation with the next read, and the time', async () => {
    await order(wakeful, 'load', 'tiny-used');
    await exporter.untilValue('llama_router_model_busy', { model: 'tiny-used' }, 0);
    expect(
      await exporter.value('llama_router_model_last_activity_timestamp_seconds', { model: 'tiny-used' }),
    ).toBeUndefined();
    // Of reads, for a busy machine is slow at everything: one may have begun before the change.
    const requests = () => wakeful.log().split('proxying request to model tiny-used on port').length;
    const startedAt = Date.now() / 1000;
    const generation = await keepBusy(wakeful, 'tiny-used');
    const atStart = requests();
    await exporter.untilValue('llama_router_model_busy', { model: 'tiny-used' }, 1);
    expect(requests() - atStart).toBeLessThanOrEqual(3);
    expect(await generation.finish()).toBe(true);
    const atEnd = requests();
    await exporter.untilValue('llama_router_model_busy', { model: 'tiny-used' }, 0);
    const active = await exporter.value('llama_router_model_last_activity_timestamp_seconds', {
      model: 'tiny-used',
    });
    expect(requests() - atEnd).toBeLessThanOrEqual(3);
    expect(active).toBeGreaterThanOrEqual(startedAt);
    expect(active).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it('publishes the numbers of each loaded model unchanged', async () => {
    const direct = await (
      await fetch(`${wakeful.url}/metrics?model=tiny-used&autoload=false`, { headers: oneAnswer })
    ).text();
    // Averages since the last read are left out: two readers take from each other.
    const numbers = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^llamacpp:(?!(prompt|predicted)_tokens_seconds)/.test(line))
        .map((line) => [line.split(/[ {]/)[0], Number(line.split(' ').at(-1))])
        .sort();
    const passedOn = async () => {
      const lines = (await exporter.scrape()).split('\n');
      return numbers(lines.filter((line) => line.includes('model="tiny-used"')).join('\n'));
    };
    const own = numbers(direct);
    expect(own.length).toBeGreaterThan(6);
    await until(
      'the numbers to agree',
      async () => JSON.stringify(await passedOn()) === JSON.stringify(own),
    ).catch(() => {});
    expect(await passedOn()).toEqual(own);
    const types = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^# (TYPE|HELP) llamacpp:/.test(line))
        .sort();
    expect(types(await exporter.scrape())).toEqual(types(direct));
  });

  async function scrapeEverySecondUntil(done: () => boolean | Promise<boolean>): Promise<void> {
    await until('the end of scraping', async () => (await exporter.scrape()) !== '' && (await done()), {
      everyMs: 1000,
      timeoutMs: (SOAK_SECONDS + 30) * 1000,
    });
  }
});

it('queries a router without --metrics once, logs it once, and reports activity as unknown', async () => {
  const router = await startRealRouter({ models: ['tiny-a', 'tiny-b'], metrics: false });
  const exporter = await startExporter([router.url], { 'engine.interval': '1s' });
  try {
    for (const model of ['tiny-a', 'tiny-b']) await complete(router, model, { tokens: 1 });
    await until('it to be recognised', () => exporter.log().includes('runs without --metrics'));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(exporter.log().split('runs without --metrics')).toHaveLength(2);
    expect(
      [...router.log().matchAll(/GET \/metrics|proxying request to model \S+ on port/g)].length,
    ).toBeLessThan(6);
    const { routers } = (await (await fetch(`${exporter.url}/api/v1/routers`)).json()) as {
      routers: { engine_metrics: string }[];
    };
    expect(routers[0]?.engine_metrics).toBe('disabled');
    expect(await exporter.value('llama_router_model_busy', { model: 'tiny-a' })).toBeUndefined();
  } finally {
    await exporter.stop();
    await router.stop();
  }
});
