import { type Exposition, type Format, render } from '../metrics/render.ts';
import type { Collector } from './collector.ts';

/** One scrape, which may take `budgetMs` to get what is not at hand. */
export type Scrape = (format: Format, budgetMs?: number) => Promise<Exposition>;

/** Freshens first, then collects, then renders, so that all of its samples are of one moment. */
export function createScrape(
  collectors: readonly Collector[],
  freshen: (budgetMs: number) => Promise<void> = async () => {},
): Scrape {
  return async (format, budgetMs = 0) => {
    await freshen(budgetMs);
    const all = await Promise.all(collectors.map((collect) => collect()));
    return render(all.flat(), format);
  };
}
