import { Counter, Histogram, Registry } from 'prom-client';
import { createSampleCache, type Family, type Row, type Samples } from './family.ts';

type Labels<L extends string> = Readonly<Record<L, string>>;

/** What prom-client keeps of a series: a bucket's `le` is a number, but for `+Inf`. */
interface Value {
  labels: Partial<Record<string, string | number>>;
  value: number;
  /** Of a histogram's rows: the family's name and a suffix. */
  metricName?: string;
}

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
export function createMetricRegistry(isShown: (labels: Readonly<Record<string, string>>) => boolean) {
  const registry = new Registry();
  return function counting<L extends string>(family: Family<L>): Counting<L> {
    const shared = { name: family.name, help: family.help, labelNames: family.labels, registers: [registry] };
    const metric =
      family.type === 'histogram'
        ? new Histogram<L>({ ...shared, buckets: [...(family.buckets ?? [])] })
        : new Counter<L>(shared);
    const sheet = createSampleCache();
    let shown: Promise<Samples> | undefined;

    const values = async (): Promise<Value[]> => (await metric.get()).values;

    return {
      family,
      add(labels, by = 1) {
        shown = undefined;
        if (metric instanceof Histogram) metric.observe(labels, by);
        else metric.inc(labels, by);
      },
      samples() {
        shown ??= values().then((all) =>
          sheet<string>(family, (row) => {
            for (const { labels, value, metricName } of all) {
              if (isShown(labels as Row['labels'])) {
                row(textLabels(labels), value, metricName?.slice(family.name.length));
              }
            }
          }),
        );
        return shown;
      },
      rows: async () => (await values()).map(({ labels, value }) => ({ labels: textLabels(labels), value })),
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

function textLabels(labels: Value['labels']): Row['labels'] {
  const { le } = labels;
  return (le === undefined ? labels : { ...labels, le: String(le) }) as Row['labels'];
}
