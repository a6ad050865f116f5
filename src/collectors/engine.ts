import type { Reading } from '../engine/reader.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Samples } from '../metrics/family.ts';
import { type Dropped, mergeRelayed, type Relayed, relay } from '../metrics/relay.ts';
import type { Collector } from './collector.ts';

/** Where the readings come from. `version` changes when any of them does. */
export interface EngineSource {
  readings(): readonly { router: string; readings: readonly Reading[] }[];
  version(): number;
}

/**
 * The models' own metrics, passed on with `router` and `model` added: at most `maxRows` of each model. A model's
 * rows are made once for each reading and are the same objects in every scrape until the next.
 */
export function collectRelayed(source: EngineSource, maxRows: () => number) {
  const relayed = new WeakMap<readonly Samples[], Relayed>();
  let at: number | undefined;
  let merged: { samples: Samples[]; dropped: Dropped } = mergeRelayed([]);

  function merge(): typeof merged {
    if (source.version() === at) return merged;
    at = source.version();
    const all: Relayed[] = [];
    for (const { router, readings } of source.readings()) {
      for (const { model, good } of readings) {
        if (!good) continue;
        const known = relayed.get(good.samples) ?? relay(router, model, good.samples, maxRows());
        relayed.set(good.samples, known);
        all.push(known);
      }
    }
    merged = mergeRelayed(all);
    return merged;
  }

  return { collect: (() => merge().samples) satisfies Collector, dropped: () => merge().dropped };
}

/** How the reading goes, and what is not passed on. */
export function collectEngine(source: EngineSource, dropped: () => Dropped, now: () => number): Collector {
  const sheet = createSampleCache();
  return () => {
    const all = source
      .readings()
      .flatMap(({ router, readings }) => readings.map((reading) => ({ ...reading, router })));
    return [
      sheet(CATALOG.engineAge, (row) => {
        for (const { router, model, good } of all) {
          row({ router, model }, good && Math.max(0, now() - good.at) / 1000);
        }
      }),
      sheet(CATALOG.engineSuccess, (row) => {
        for (const { router, model, succeeded } of all) row({ router, model }, Number(succeeded));
      }),
      sheet(CATALOG.engineDropped, (row) => {
        for (const [reason, count] of Object.entries(dropped())) row({ reason }, count);
      }),
    ];
  };
}
