import { isDeepStrictEqual } from 'node:util';
import { groupBy } from '../lib/group-by.ts';
import { perObject } from '../lib/per-object.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { CATALOG } from './catalog.ts';
import { createSampleCache, type Row, type Samples } from './exposition.ts';
import { isReserved } from './relay.ts';

/** The series of a scrape have reached the limit, or all of them are published again. */
export type SeriesLimitChange =
  | { kind: 'reached'; limit: number; series: number; droppedSeries: number; droppedModels: number }
  | { kind: 'ended' };

/** What is published or dropped as a whole: a model, or its own metrics that are passed on. */
export interface ScrapePart {
  readonly kind: 'model' | 'engine';
  readonly series: number;
  /** Whether the model is in memory, or something was counted for it. */
  readonly used: boolean;
}

export type ScrapeParts = ReadonlyMap<string, ScrapePart>;

/**
 * Limits the series of a scrape, and adds three series about the limit. Those of the exporter and of routers are always
 * published. A scrape within the limit is passed on as it is.
 */
export function createSeriesLimit(limit: number, report: (change: SeriesLimitChange) => void) {
  const samples = createSampleCache();
  const unlabelled = [{ labels: {} }];
  let parts: ScrapeParts = new Map();
  let dropped: ReadonlySet<string> = new Set();
  let publishedOf = without(dropped);

  let last: { all: readonly Samples[]; published: readonly Samples[] } = { all: [], published: [] };

  return (all: readonly Samples[]): readonly Samples[] => {
    const series = seriesIn(all) + OWN_SERIES;
    if (series <= limit && dropped.size === 0) return withOwn(all, 0, 0);
    if (!hasSameItems(last.all, all)) last = { all, published: limited(all, series) };
    return last.published;
  };

  function limited(all: readonly Samples[], series: number): readonly Samples[] {
    const before = dropped;
    parts = grown(partsOf(all), parts);
    dropped = partsBeyond(limit - OWN_SERIES - seriesIn(all.map(alwaysPublished)), parts);
    if (!isDeepStrictEqual(before, dropped)) publishedOf = without(dropped);
    const published = all.map(publishedOf);
    const droppedSeries = series - OWN_SERIES - seriesIn(published);
    const droppedModels = [...dropped].filter((key) => parts.get(key)?.kind === 'model').length;
    if (before.size === 0 && dropped.size > 0)
      report({ kind: 'reached', limit, series, droppedSeries, droppedModels });
    if (before.size > 0 && dropped.size === 0) report({ kind: 'ended' });
    if (dropped.size === 0) parts = new Map();
    return withOwn(published, droppedSeries, droppedModels);
  }

  function withOwn(published: readonly Samples[], droppedSeries: number, droppedModels: number): Samples[] {
    return [
      ...published,
      samples(CATALOG.scrape_max_series, unlabelled, () => limit),
      samples(CATALOG.scrape_dropped_series, unlabelled, () => droppedSeries),
      samples(CATALOG.scrape_dropped_models, unlabelled, () => droppedModels),
    ];
  }
}

const OWN_SERIES = 3;

/**
 * The parts that do not fit into `room` series. Models that were used come first, then models' own metrics, then models
 * that were never used; among equals the order is that of their names. All after the first that does not fit are dropped.
 */
export function partsBeyond(room: number, parts: ScrapeParts): ReadonlySet<string> {
  const rankOf = ({ kind, used }: ScrapePart) => (kind === 'engine' ? 1 : used ? 0 : 2);
  const ordered = [...parts].sort(
    ([key, part], [otherKey, other]) => rankOf(part) - rankOf(other) || (key < otherKey ? -1 : 1),
  );
  let fits = 0;
  for (let left = room; fits < ordered.length; fits += 1) {
    left -= ordered[fits]?.[1].series ?? 0;
    if (left < 0) break;
  }
  return new Set(ordered.slice(fits).map(([key]) => key));
}

/**
 * A part keeps the most series it had, and stays used: while the limit is reached, nothing that is dropped comes back
 * because something else has a series less, and is dropped again at the next scrape.
 */
export function grown(now: ScrapeParts, before: ScrapeParts): ScrapeParts {
  return new Map(
    [...now].map(([key, part]) => {
      const { series = 0, used = false } = before.get(key) ?? {};
      return [key, { ...part, series: Math.max(part.series, series), used: part.used || used }];
    }),
  );
}

function partsOf(all: readonly Samples[]): ScrapeParts {
  const parts = new Map<string, { -readonly [Key in keyof ScrapePart]: ScrapePart[Key] }>();
  for (const samples of all) {
    const kind = isReserved(samples.family.name) ? 'model' : 'engine';
    for (const [key, { length: series }] of rowsByPart(samples)) {
      if (key === undefined) continue;
      const part = parts.get(key);
      if (part) part.series += series;
      else parts.set(key, { kind, series, used: false });
    }
    for (const key of usedIn(samples)) {
      const part = parts.get(key);
      if (part) part.used = true;
    }
  }
  return parts;
}

/** The rows of a family by the key of their part; undefined: rows that are always published. */
const rowsByPart = perObject(({ family, rows }: Samples): ReadonlyMap<string | undefined, readonly Row[]> => {
  const suffix = isReserved(family.name) ? '' : ' engine';
  return groupBy(rows, ({ labels: { router, model } }) =>
    router === undefined || model === undefined ? undefined : JSON.stringify([router, model]) + suffix,
  );
});

/** The parts that this family shows to be used. */
const usedIn = perObject((samples: Samples): readonly string[] =>
  [...rowsByPart(samples)].flatMap(([key, rows]) =>
    key !== undefined && showsUse(samples, rows) ? [key] : [],
  ),
);

function showsUse({ family }: Samples, rows: readonly Row[]): boolean {
  if (family === CATALOG.model_status)
    return rows.some(({ labels, value }) => labels.status !== 'unloaded' && value === 1);
  return family.type !== 'gauge' && rows.some(({ value }) => value > 0);
}

const alwaysPublished = perObject(
  (samples: Samples): Samples => ({ ...samples, rows: rowsByPart(samples).get(undefined) ?? [] }),
);

/** The same object for the same samples, so that their text is not written again. */
function without(dropped: ReadonlySet<string>): (samples: Samples) => Samples {
  return perObject((samples) => {
    const parts = [...rowsByPart(samples)];
    const published = parts.filter(([key]) => key === undefined || !dropped.has(key));
    return published.length === parts.length
      ? samples
      : { family: samples.family, rows: published.flatMap(([, rows]) => rows) };
  });
}

function seriesIn(all: readonly Samples[]): number {
  let series = 0;
  for (const { rows } of all) series += rows.length;
  return series;
}
