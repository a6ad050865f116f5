import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { type Family, newRow, type Row, render, type Samples } from '../../src/metrics/exposition.ts';
import { createSeriesLimit, grown, partsBeyond, type ScrapePart } from '../../src/metrics/series-limit.ts';
import { parseExposition } from '../support/exposition.ts';

const part = (series: number, used = false, kind: ScrapePart['kind'] = 'model'): ScrapePart => ({
  kind,
  series,
  used,
});

describe('what does not fit', () => {
  const parts = new Map([
    ['a', part(10)],
    ['b', part(20, true)],
    ['b engine', part(30, true, 'engine')],
    ['c', part(20, true)],
    ['d', part(10)],
  ]);

  it.each([
    { room: 90, dropped: [] },
    { room: 89, dropped: ['d'] },
    { room: 79, dropped: ['a', 'd'] },
    { room: 69, dropped: ['b engine', 'a', 'd'] },
    { room: 39, dropped: ['c', 'b engine', 'a', 'd'] },
    { room: 0, dropped: ['b', 'c', 'b engine', 'a', 'd'] },
    { room: -5, dropped: ['b', 'c', 'b engine', 'a', 'd'] },
  ])('into $room series are $dropped', ({ room, dropped }) => {
    expect([...partsBeyond(room, parts)]).toEqual(dropped);
  });

  it('does not depend on the order in which models are listed', () => {
    const reversed = new Map([...parts].reverse());
    for (let room = 0; room <= 90; room += 1)
      expect(partsBeyond(room, reversed)).toEqual(partsBeyond(room, parts));
  });
});

it('a part keeps its most series and that it was used, until it is gone', () => {
  const before = new Map([
    ['a', part(12, true)],
    ['gone', part(5)],
  ]);
  const now = new Map([
    ['a', part(10)],
    ['b', part(3)],
  ]);
  expect([...grown(now, before)]).toEqual([
    ['a', part(12, true)],
    ['b', part(3)],
  ]);
});

/** The families of a small exporter: of the exporter, of routers, of models, and a histogram that models publish. */
const ENGINE: Family = { name: 'llamacpp:latency', type: 'histogram', help: 'h', labels: [] };

interface Model {
  router: string;
  model: string;
  loads: number;
  isLoaded: boolean;
  /** Whether it has series of its own now, 3 of each. */
  engine: boolean;
  isLoading: boolean;
}

function samplesOf(models: readonly Model[]): Samples[] {
  const routers = [...new Set(models.map(({ router }) => router))];
  const ofModels = (rows: (labels: { router: string; model: string }, model: Model) => Row[]) =>
    models.flatMap((model) => rows({ router: model.router, model: model.model }, model));
  return [
    { family: CATALOG.config_last_reload_successful, rows: [newRow({}, 1)] },
    { family: CATALOG.up, rows: routers.map((router) => newRow({ router }, 1)) },
    {
      family: CATALOG.model_status,
      rows: ofModels((labels, { isLoaded }) => [
        newRow({ ...labels, status: 'unloaded' }, Number(!isLoaded)),
        newRow({ ...labels, status: 'loaded' }, Number(isLoaded)),
      ]),
    },
    { family: CATALOG.model_loads_total, rows: ofModels((labels, { loads }) => [newRow(labels, loads)]) },
    {
      family: CATALOG.model_load_progress_ratio,
      rows: ofModels((labels, { isLoading }) => (isLoading ? [newRow(labels, 0.5)] : [])),
    },
    {
      family: ENGINE,
      rows: ofModels((labels, { engine }) =>
        engine
          ? [
              newRow({ le: '+Inf', ...labels }, 1, '_bucket'),
              newRow(labels, 1, '_sum'),
              newRow(labels, 1, '_count'),
            ]
          : [],
      ),
    },
  ];
}

const seriesIn = (all: readonly Samples[]) => all.reduce((sum, { rows }) => sum + rows.length, 0);
const ofModel = ({ labels }: Row) => labels.model !== undefined;
const keyOf = ({ labels: { router, model } }: Row) => JSON.stringify([router, model]);
const publishedModels = (all: readonly Samples[]) =>
  new Set(
    all.filter(({ family }) => family !== ENGINE).flatMap(({ rows }) => rows.filter(ofModel).map(keyOf)),
  );
const valueIn = (all: readonly Samples[], family: Family) =>
  all.find((samples) => samples.family === family)?.rows[0]?.value;

const aModel = (n: number, given: Partial<Model> = {}): Model => {
  return {
    router: 'r',
    model: `m${n}`,
    loads: 0,
    isLoaded: false,
    engine: false,
    isLoading: false,
    ...given,
  };
};

describe('a scrape', () => {
  it('within the limit has the same samples, and three more series', () => {
    const changes: unknown[] = [];
    const limit = createSeriesLimit(1000, (change) => changes.push(change));
    const all = samplesOf([aModel(1, { engine: true })]);
    const published = limit(all);
    expect(published.slice(0, all.length).every((samples, i) => samples === all[i])).toBe(true);
    expect(published.slice(all.length).map(({ family, rows }) => [family.name, rows[0]?.value])).toEqual([
      ['llama_router_scrape_max_series', 1000],
      ['llama_router_scrape_dropped_series', 0],
      ['llama_router_scrape_dropped_models', 0],
    ]);
    expect(changes).toEqual([]);
  });

  it('beyond the limit reports it once, and once when it ends', () => {
    const changes: unknown[] = [];
    const limit = createSeriesLimit(20, (change) => changes.push(change));
    const many = Array.from({ length: 10 }, (_, n) => aModel(n));
    for (let i = 0; i < 3; i += 1) limit(samplesOf(many));
    // 30 series of models, and 5 others.
    expect(changes).toEqual([
      { kind: 'reached', limit: 20, series: 35, droppedSeries: 15, droppedModels: 5 },
    ]);
    for (let i = 0; i < 3; i += 1) limit(samplesOf(many.slice(0, 2)));
    expect(changes.slice(1)).toEqual([{ kind: 'ended' }]);
  });

  it('does not change because a dropped model would fit while another has a series less', () => {
    const limit = createSeriesLimit(20, () => {});
    const models = (isLoading: boolean) =>
      Array.from({ length: 10 }, (_, n) => aModel(n, { isLoading: isLoading && n < 3 }));
    const first = publishedModels(limit(samplesOf(models(true))));
    expect(first.size).toBe(4);
    for (const isLoading of [false, true, false])
      expect(publishedModels(limit(samplesOf(models(isLoading))))).toEqual(first);
  });

  it('has a model that was left out from its first load on, with its counters', () => {
    const limit = createSeriesLimit(20, () => {});
    const models = (loads: number, isLoaded: boolean) =>
      Array.from({ length: 10 }, (_, n) => aModel(n, n === 9 ? { loads, isLoaded } : {}));
    expect(publishedModels(limit(samplesOf(models(0, false))))).not.toContain('["r","m9"]');
    expect(publishedModels(limit(samplesOf(models(0, true))))).toContain('["r","m9"]');
    const later = limit(samplesOf(models(2, false)));
    const loads = later.find(({ family }) => family === CATALOG.model_loads_total)?.rows;
    expect(loads?.find(({ labels }) => labels.model === 'm9')?.value).toBe(2);
  });

  it('that stays the same has the same samples, whose text is kept', () => {
    const limit = createSeriesLimit(20, () => {});
    const all = samplesOf(Array.from({ length: 10 }, (_, n) => aModel(n)));
    const first = limit(all);
    expect(limit(all).every((samples, i) => samples === first[i])).toBe(true);
  });
});

it('any scrapes: never more than the limit, nothing in part, the used first, and the same for the same state', () => {
  const model = fc.record({
    router: fc.constantFrom('a', 'b'),
    model: fc.constantFrom('1', '2', '3', '4', '5', '6'),
    loads: fc.nat(2),
    isLoaded: fc.boolean(),
    engine: fc.boolean(),
    isLoading: fc.boolean(),
  });
  const fleet = fc.uniqueArray(model, {
    selector: (m) => `${m.router} ${m.model}`,
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(
      fc.array(fleet, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 90 }),
      (fleets, max) => {
        const limit = createSeriesLimit(max, () => {});
        for (const models of fleets) {
          const all = samplesOf(models);
          const published = limit(all);
          parseExposition(render(published, 'text').join(''));
          const always = all.flatMap(({ rows }) => rows.filter((row) => !ofModel(row)));
          expect(seriesIn(published)).toBeLessThanOrEqual(Math.max(max, always.length + 3));
          const rows = new Set(published.flatMap((samples) => samples.rows));
          expect(always.filter((row) => !rows.has(row))).toEqual([]);
          expect(valueIn(published, CATALOG.scrape_dropped_series)).toBe(
            seriesIn(all) + 3 - seriesIn(published),
          );

          const shown = publishedModels(published);
          const hidden = [...publishedModels(all)].filter((key) => !shown.has(key));
          expect(valueIn(published, CATALOG.scrape_dropped_models)).toBe(hidden.length);
          const inPart = new Set<string>();
          for (const samples of all) {
            const isWhole = new Map<string, Set<boolean>>();
            for (const row of samples.rows.filter(ofModel)) {
              const key = keyOf(row);
              isWhole.set(key, (isWhole.get(key) ?? new Set()).add(rows.has(row)));
              if (samples.family !== ENGINE && rows.has(row) !== shown.has(key)) inPart.add(key);
            }
            for (const [key, answers] of isWhole) if (answers.size !== 1) inPart.add(key);
          }
          expect([...inPart]).toEqual([]);
          const again = limit(samplesOf(models));
          expect(publishedModels(again)).toEqual(shown);
          expect(seriesIn(again)).toBe(seriesIn(published));
          const isUsed = ({ loads, isLoaded }: Model) => loads > 0 || isLoaded;
          const keysOf = (some: Model[]) => some.map((m) => JSON.stringify([m.router, m.model]));
          const hiddenUsed = keysOf(models.filter(isUsed)).filter((key) => !shown.has(key));
          if (hiddenUsed.length > 0 && fleets.length === 1)
            for (const key of keysOf(models.filter((m) => !isUsed(m)))) expect(shown).not.toContain(key);
        }
      },
    ),
    { numRuns: 100 },
  );
});
