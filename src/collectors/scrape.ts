import type { Clock } from '../lib/clock.ts';
import type { Samples } from '../metrics/family.ts';
import { type Exposition, type Format, render } from '../metrics/render.ts';

/** Turns state or readings into samples at each scrape. Does no I/O and never throws. */
export type Collector = () => readonly Samples[];

/** One scrape; it may wait up to `budgetMs` for readings that are due. */
export type Scrape = (format: Format, budgetMs?: number) => Promise<Exposition>;

/** Updates the readings, then collects and renders all samples at the same moment. */
export function createScrape(
  collectors: readonly Collector[],
  freshen: (budgetMs: number) => Promise<void> = async () => {},
): Scrape {
  return async (format, budgetMs = 0) => {
    await freshen(budgetMs);
    return render(
      collectors.flatMap((collect) => collect()),
      format,
    );
  };
}

/** 1 or 0; undefined if unknown. */
export function flag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** The wall time of a monotonic instant in seconds. */
export function wallSeconds(clock: Clock, at: number | undefined): number | undefined {
  return at === undefined ? undefined : clock.wall(at) / 1000;
}
