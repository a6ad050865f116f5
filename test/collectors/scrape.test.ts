import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { collectExporter } from '../../src/collectors/exporter.ts';
import { collectHolds } from '../../src/collectors/holds.ts';
import { collectModels } from '../../src/collectors/models.ts';
import { collectRouters } from '../../src/collectors/routers.ts';
import { createScrape } from '../../src/collectors/scrape.ts';
import { createHolds } from '../../src/hold/holds.ts';
import type { Format } from '../../src/metrics/exposition.ts';
import { createLifecycleMetrics } from '../../src/metrics/lifecycle-metrics.ts';
import { createSeriesLimit } from '../../src/metrics/series-limit.ts';
import { STATUSES } from '../../src/models/feed.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aListing, begun, ended, listed, turned } from '../support/a-model.ts';
import { anyText } from '../support/any-text.ts';
import { addRouter, driven } from '../support/driven-router.ts';
import { parseExposition } from '../support/exposition.ts';
import { aBusyFleet, anEmptyFleet, HOSTILE_ID, type ObservedFleet } from '../support/fleets.ts';
import { expectGolden } from '../support/golden.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const LOADED_AT = createSteppedClock().now();

/** The collectors of the service, without those of its own process. */
function scraping(
  { store, clock }: ObservedFleet,
  loads = () => ({ successful: true, loadedAt: LOADED_AT }),
  holds = createHolds(clock),
  maxSeries = 10_000,
) {
  const lifecycleMetrics = createLifecycleMetrics();
  store.onTransition(lifecycleMetrics.transition);
  const collectors = [
    collectRouters(store, clock),
    collectModels(store, clock),
    collectHolds(store, holds, clock),
    lifecycleMetrics.samples,
    collectExporter(
      '1.2.3',
      loads,
      { audit: () => undefined, state: () => undefined, log: () => undefined },
      clock,
    ),
  ];
  const scrape = createScrape(
    collectors,
    createSeriesLimit(maxSeries, () => {}),
  );
  return async (format: Format = 'text') => scrape(format).join('').replaceAll(process.version, 'v20.0.0');
}

function aBusyScrape() {
  let scrape: ReturnType<typeof scraping> = async () => '';
  const observed = aBusyFleet((empty) => {
    const holds = createHolds(empty.clock);
    const until = empty.clock.now() + 3_600_000;
    holds.place(aHoldRequest(until));
    scrape = scraping(empty, undefined, holds);
  });
  return { ...observed, scrape: (format?: Format) => scrape(format) };
}

describe('a scrape', () => {
  it.each<Format>(['text', 'openmetrics'])('of a busy fleet in %s', async (format) => {
    const text = await aBusyScrape().scrape(format);
    expectGolden(`scrape-busy-${format}.prom`, text);
    parseExposition(text, format);
  });

  it('without routers', async () => {
    const text = await scraping(anEmptyFleet())();
    expectGolden('scrape-empty.prom', text);
    parseExposition(text);
  });

  it('before the first listing has no unknown state', async () => {
    const observed = anEmptyFleet();
    const scrape = scraping(observed);
    addRouter(observed.store, 'gpu-box', 'http://gpu-box:8080');
    const text = await scrape();
    expectGolden('scrape-before-first-listing.prom', text);
    parseExposition(text);
  });

  it('of a router without models', async () => {
    const observed = anEmptyFleet();
    const scrape = scraping(observed);
    addRouter(observed.store, 'gpu-box', 'http://gpu-box:8080').listed(aListing());
    const read = parseExposition(await scrape());
    for (const status of ROUTER_TRAITS.statuses)
      expect(read.value('llama_router_models', { router: 'gpu-box', status })).toBe(0);
    expect(read.value('llama_router_up', { router: 'gpu-box' })).toBe(1);
  });
});

describe('a router that is down', () => {
  it('has its counters and no state of its models', async () => {
    const { scrape } = aBusyScrape();
    const read = parseExposition(await scrape());
    const published = read.families
      .filter(({ samples }) => samples.some(({ labels }) => labels.router === 'cellar'))
      .map(({ name, type }) => `${name} ${type}`);
    expect(published.filter((family) => family.endsWith(' gauge'))).toEqual([
      'llama_router_up gauge',
      'llama_router_event_stream_connected gauge',
      'llama_router_last_poll_timestamp_seconds gauge',
      'llama_router_hold_active gauge',
      'llama_router_holds gauge',
    ]);
    expect(read.value('llama_router_up', { router: 'cellar' })).toBe(0);
    expect(read.value('llama_router_model_loads_total', { router: 'cellar', model: 'lost' })).toBe(0);
  });
});

describe('a model', () => {
  it('has exactly one status with value 1', async () => {
    const { scrape } = aBusyScrape();
    const family = parseExposition(await scrape()).families.find(
      ({ name }) => name === 'llama_router_model_status',
    );
    const sums = new Map<string, number>();
    for (const { labels, value } of family?.samples ?? []) {
      const key = JSON.stringify([labels.router, labels.model]);
      sums.set(key, (sums.get(key) ?? 0) + value);
    }
    expect([...sums.values()]).toEqual(Array(8).fill(1));
    expect(family?.samples).toHaveLength(8 * ROUTER_TRAITS.statuses.length);
  });

  it('has its unchanged id as label', async () => {
    const { scrape } = aBusyScrape();
    const labels = { router: 'gpu-box', model: HOSTILE_ID, status: 'unloaded' };
    expect(parseExposition(await scrape()).value('llama_router_model_status', labels)).toBe(1);
  });

  it('that vanished has no series', async () => {
    const { scrape, store } = aBusyScrape();
    driven(store, 'attic').listed(aListing());
    expect(await scrape()).not.toContain('model="solo"');
  });

  it('that is loaded has no load progress', async () => {
    const { scrape, store } = aBusyScrape();
    const labels = { router: 'gpu-box', model: 'llama-70b' };
    expect(parseExposition(await scrape()).value('llama_router_model_load_progress_ratio', labels)).toBe(
      0.25,
    );
    driven(store, 'gpu-box').event(turned('llama-70b', 'loaded'));
    expect(
      parseExposition(await scrape()).value('llama_router_model_load_progress_ratio', labels),
    ).toBeUndefined();
  });
});

describe('a scrape beyond the limit of series', () => {
  const ids = Array.from({ length: 200 }, (_, n) => `model-${String(n).padStart(3, '0')}`);
  const aHugeListing = () => aListing(...ids.map((id) => listed(id, 'unloaded')));

  it('has its router and the models that were loaded, and their counters when all are back', async () => {
    const observed = anEmptyFleet();
    const { store, clock } = observed;
    const scrape = scraping(observed, undefined, createHolds(clock), 1000);
    const router = addRouter(store, 'gpu-box', 'http://gpu-box:8080');
    router.listed(aHugeListing());
    for (const status of ['loading', 'loaded', 'unloaded'] as const)
      router.event(turned('model-199', status));
    const read = async () => parseExposition(await scrape());
    const seriesOf = ({ families }: Awaited<ReturnType<typeof read>>) =>
      families.flatMap(({ samples }) => samples).length;
    const loads = (from: Awaited<ReturnType<typeof read>>, model: string) =>
      from.value('llama_router_model_loads_total', { router: 'gpu-box', model });

    const cut = await read();
    expect(seriesOf(cut)).toBeLessThanOrEqual(1000);
    expect(seriesOf(cut)).toBeGreaterThan(950);
    expect(cut.value('llama_router_models', { router: 'gpu-box', status: 'unloaded' })).toBe(200);
    expect(cut.value('llama_router_scrape_dropped_models')).toBeGreaterThan(100);
    expect([loads(cut, 'model-199'), loads(cut, 'model-000'), loads(cut, 'model-198')]).toEqual([
      1,
      0,
      undefined,
    ]);
    // The router is down for a moment: its models have fewer series, and none comes in that was out.
    router.failed({ kind: 'unreachable', message: 'gone' });
    expect(loads(await read(), 'model-198')).toBeUndefined();
    router.listed(aHugeListing());
    expect(loads(await read(), 'model-198')).toBeUndefined();

    for (const status of ['loading', 'loaded', 'unloaded'] as const)
      router.event(turned('model-198', status));
    router.listed(aListing(listed('model-198', 'unloaded')));
    const whole = await read();
    expect(whole.value('llama_router_scrape_dropped_series')).toBe(0);
    expect(loads(whole, 'model-198')).toBe(1);
  });
});

describe('a hold', () => {
  it('expires without an event', async () => {
    const observed = anEmptyFleet();
    const { store, clock } = observed;
    const holds = createHolds(clock);
    const scrape = scraping(observed, undefined, holds);
    const read = async () => {
      const { value } = parseExposition(await scrape());
      const labels = { router: 'gpu-box' };
      return [
        value('llama_router_hold_active', labels),
        value('llama_router_hold_until_timestamp_seconds', labels),
      ];
    };
    addRouter(store, 'gpu-box', 'http://gpu-box:8080');
    expect(await read()).toEqual([0, undefined]);
    const until = clock.now() + 600_500;
    holds.place(aHoldRequest(until));
    expect(await read()).toEqual([1, clock.wall(until) / 1000]);
    clock.jump(600_500);
    expect(await read()).toEqual([0, undefined]);
  });
});

describe('the exporter', () => {
  it('reports a failed configuration reload, also right after a successful one', async () => {
    let loads = { successful: true, loadedAt: LOADED_AT };
    const scrape = scraping(anEmptyFleet(), () => loads);
    const read = async () => {
      const { value } = parseExposition(await scrape());
      return [
        value('llama_router_config_last_reload_successful'),
        value('llama_router_config_last_reload_success_timestamp_seconds'),
      ];
    };
    expect(await read()).toEqual([1, 1_700_000_000]);
    loads = { successful: true, loadedAt: LOADED_AT + 1 };
    loads = { ...loads, successful: false };
    expect(await read()).toEqual([0, 1_700_000_000.001]);
    loads = { successful: true, loadedAt: LOADED_AT + 60_000 };
    expect(await read()).toEqual([1, 1_700_000_060]);
  });
});

it('scrapes of any state are valid in both formats, and concurrent ones are equal', async () => {
  const id = fc.oneof(
    anyText({ minLength: 1 }).map((text) => Buffer.from(text).toString()),
    fc.constantFrom('a', 'b', HOSTILE_ID),
  );
  const status = fc.constantFrom(...STATUSES);
  const facts = fc.record(
    {
      source: fc.string(),
      quantization: fc.string(),
      parameters: fc.nat(),
      sizeBytes: fc.double({ min: 0, noNaN: true }),
      contextTokens: fc.nat(),
    },
    { requiredKeys: [] },
  );
  const model = fc.record({ id, status, facts, failed: fc.boolean() });
  const event = fc.oneof(
    fc.record({ kind: fc.constant('begun' as const), id }),
    fc.record({ kind: fc.constant('ended' as const), id, code: fc.constantFrom(0, 1) }),
    fc.record({
      kind: fc.constant('turned' as const),
      id,
      status,
      progress: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  );
  const listing = fc.record({
    kind: fc.constant('listed' as const),
    models: fc.uniqueArray(model, { selector: (m) => m.id }),
  });
  const down = fc.record({ kind: fc.constant('failed' as const) });
  const changes = fc.array(fc.tuple(fc.nat(2), fc.oneof(event, listing, down)), { maxLength: 30 });
  const names = fc.uniqueArray(id, { minLength: 3, maxLength: 3 });

  await fc.assert(
    fc.asyncProperty(names, changes, async (routers, all) => {
      const observed = anEmptyFleet();
      const scrape = scraping(observed);
      const entries = routers.map((name) => addRouter(observed.store, name, 'http://router'));
      for (const [index, one] of all) {
        const entry = entries[index];
        observed.clock.jump(700);
        if (one.kind === 'listed')
          entry?.listed(aListing(...one.models.map((m) => listed(m.id, m.status, m))));
        else if (one.kind === 'failed') entry?.failed({ kind: 'unreachable', message: 'gone' });
        else if (one.kind === 'begun') entry?.event(begun(one.id));
        else if (one.kind === 'ended') entry?.event(ended(one.id, one.code));
        else entry?.event(turned(one.id, one.status, { progress: one.progress }));
        await scrape();
      }
      for (const format of ['text', 'openmetrics'] as const) {
        const [first, second] = await Promise.all([scrape(format), scrape(format)]);
        expect(second).toBe(first);
        parseExposition(first, format);
      }
    }),
    { numRuns: 60 },
  );
});

it('answers the same bytes until a sample changes', async () => {
  const family = { name: 'a', type: 'gauge', help: '', labels: [] } as const;
  const rows = (value: number) => [{ family, rows: [{ labels: {}, value }] }];
  let samples = rows(1);
  const scrape = createScrape([() => samples]);
  const first = scrape('text');
  expect(scrape('text')).toBe(first);
  samples = rows(2);
  expect(scrape('text').join('')).toBe('# TYPE a gauge\na 2\n');
  expect(scrape('openmetrics').join('')).toBe('# TYPE a gauge\na 2\n# EOF\n');
});
