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
