import { Counter, Histogram, Registry } from 'prom-client';
import type { Family, Row, Samples } from './family.ts';

type Labels<L extends string> = Readonly<Record<L, string>>;

/** A family of ours whose values only grow: kept by prom-client, rendered by us. */
export interface Counting<L extends string> {
  family: Family<L>;
  /** Adds `by` (default 1) to a counter, or observes it in a histogram. `inc(labels, 0)` makes a series appear. */
  add(labels: Labels<L>, by?: number): void;
  /** The same object until a value changes or `refresh` is called. */
  samples(): Promise<Samples>;
  /** All rows of a counter, also those that are not shown. */
  rows(): Promise<Row[]>;
  /** The rows shown may be others than before. */
  refresh(): void;
  forget(labels: Labels<L>): void;
}

/**
 * Makes the counters and histograms of one registry. `isShown` says which rows belong into a scrape: those of
 * a model that has vanished are kept, so that they go on when it returns, but not shown.
 */
export function createCountingRoom(isShown: (labels: Readonly<Record<string, string>>) => boolean) {
  const registry = new Registry();
  return function counting<L extends string>(family: Family<L>): Counting<L> {
    const shared = { name: family.name, help: family.help, labelNames: family.labels, registers: [registry] };
    const metric =
      family.type === 'histogram'
        ? new Histogram<L>({ ...shared, buckets: [...(family.buckets ?? [])] })
        : new Counter<L>(shared);
    let shown: Promise<Samples> | undefined;

    const rows = async (): Promise<Row[]> => {
      const { values } = await metric.get();
      return values.map((value) => ({
        labels: textLabels(value.labels),
        value: value.value,
        ...('metricName' in value && { suffix: String(value.metricName ?? '').slice(family.name.length) }),
      }));
    };

    return {
      family,
      add(labels, by = 1) {
        shown = undefined;
        if (metric instanceof Histogram) metric.observe(labels, by);
        else metric.inc(labels, by);
      },
      samples() {
        shown ??= rows().then((all) => ({ family, rows: all.filter((row) => isShown(row.labels)) }));
        return shown;
      },
      rows,
      refresh() {
        shown = undefined;
      },
      forget(labels) {
        shown = undefined;
        metric.remove(labels);
      },
    };
  };
}

/** prom-client keeps `le` as a number; `+Inf` is its text already. */
function textLabels(labels: Partial<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}
