import type { Clock } from '../lib/clock.ts';
import { perObject } from '../lib/per-object.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { type Format, render, type Samples } from '../metrics/exposition.ts';
import type { RouterState } from '../models/router-state.ts';

/** Turns state or readings into samples at each scrape. Does no I/O and never throws. */
export type Collector = () => readonly Samples[];

/** The pieces of the answer, in order. */
export type Scrape = (format: Format) => readonly Buffer[];

/**
 * Collects and renders all samples at the same moment, and waits for nothing. As long as no sample changes, the answer is
 * the same: do not write into its pieces. `limit` passes on the samples that are published.
 */
export function createScrape(
  collectors: readonly Collector[],
  limit = (collected: readonly Samples[]) => collected,
): Scrape {
  let last: { format: Format; samples: readonly Samples[]; pieces: readonly Buffer[] } | undefined;
  return (format) => {
    const collected: Samples[] = [];
    for (const collect of collectors) collected.push(...collect()); // flatMap takes longer than all collectors.
    const samples = limit(collected);
    if (last?.format !== format || !hasSameItems(last.samples, samples)) {
      last = { format, samples, pieces: render(samples, format) };
    }
    return last.pieces;
  };
}

/** The labels of a router's rows: the same object at every scrape, see `createSampleCache`. */
export const routerLabels = perObject(({ name }: Readonly<RouterState>) => ({ router: name }));

/** 1 or 0; undefined if unknown. */
export function flag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** The wall time of a monotonic instant in seconds. */
export function wallSeconds(clock: Clock, at: number | undefined): number | undefined {
  return at === undefined ? undefined : clock.wall(at) / 1000;
}
