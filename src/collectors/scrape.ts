import type { Format } from '../metrics/render.ts';
import { render } from '../metrics/render.ts';
import type { Collector } from './collector.ts';

/** One scrape: collects first, renders after, so that all of its samples are of one moment. */
export type Scrape = (format: Format) => Promise<Buffer>;

export function createScrape(collectors: readonly Collector[]): Scrape {
  return async (format) => {
    const all = await Promise.all(collectors.map((collect) => collect()));
    return render(all.flat(), format);
  };
}
