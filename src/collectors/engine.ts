import type { EngineReading } from '../engine/reader.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Samples } from '../metrics/exposition.ts';
import { type Dropped, mergeRelayed, type Relayed, relay } from '../metrics/relay.ts';
import type { Collector } from './scrape.ts';

/** The readings of the models' own metrics, by router. */
export interface EngineSource {
  readings(): readonly { router: string; readings: readonly EngineReading[] }[];
}

/** The models' own metrics with the labels `router` and `model` added, at most `maxRows()` per model. */
export function collectRelayed(source: EngineSource, maxRows: () => number) {
  const relayedOf = new WeakMap<readonly Samples[], Relayed>();
  let relayed: readonly Relayed[] = [];
  let merged: { samples: Samples[]; dropped: Dropped } = mergeRelayed([]);

  /** Merges again only if a model was read since. */
  function merge(): typeof merged {
    const current = source
      .readings()
      .flatMap(({ router, readings }) =>
        readings.flatMap(({ model, good }) => (good ? [relayOnce(router, model, good.samples)] : [])),
      );
    if (!hasSameItems(current, relayed)) merged = mergeRelayed(current);
    relayed = current;
    return merged;
  }

  function relayOnce(router: string, model: string, samples: readonly Samples[]): Relayed {
    const known = relayedOf.get(samples) ?? relay(router, model, samples, maxRows());
    relayedOf.set(samples, known);
    return known;
  }

  return { collect: (() => merge().samples) satisfies Collector, dropped: () => merge().dropped };
}

/** Age and success of these readings, and what is not passed on. */
export function collectEngine(source: EngineSource, dropped: () => Dropped, now: () => number): Collector {
  const samples = createSampleCache();
  return () => {
    const all = source
      .readings()
      .flatMap(({ router, readings }) =>
        readings.map((reading) => ({ ...reading, labels: { router, model: reading.model } })),
      );
    const reasons = Object.entries(dropped()).map(([reason, count]) => ({ labels: { reason }, count }));
    return [
      samples(CATALOG.model_engine_metrics_age_seconds, all, ({ good }) => good && (now() - good.at) / 1000),
      samples(CATALOG.model_engine_metrics_success, all, ({ succeeded }) => Number(succeeded)),
      samples(CATALOG.engine_metrics_dropped, reasons, ({ count }) => count),
    ];
  };
}
