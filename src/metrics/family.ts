/** A metric as the catalogue declares it: the texts of `# HELP` and `# TYPE`, and its labels. */
export interface Family<Label extends string = string> {
  name: string;
  /** `summary` and `untyped` come from the models' own metrics only. */
  type: 'gauge' | 'counter' | 'histogram' | 'summary' | 'untyped';
  help: string;
  labels: readonly Label[];
  /** Upper bounds of a histogram, in its unit. */
  buckets?: readonly number[] | undefined;
}

/** One line of the exposition. Immutable but for `line`. */
export interface Row {
  labels: Readonly<Record<string, string>>;
  value: number;
  /** `_bucket`, `_sum` or `_count` of a histogram. */
  suffix?: string | undefined;
  /** The text of this row, kept by render.ts. */
  line?: string;
}

/** The rows of one family at one moment. Immutable: render.ts keeps its text for as long as the object lives. */
export interface Samples {
  readonly family: Family;
  readonly rows: readonly Row[];
}

/**
 * Makes the samples of a family at every scrape: a row per item, in this order. An item without a value is left out:
 * absent is not zero. What has not changed keeps its text.
 */
export type SampleCache = <Label extends string, Item extends { labels: Readonly<Record<Label, string>> }>(
  family: Family<Label>,
  items: readonly Item[],
  measure: (item: Item) => number | undefined,
) => Samples;

/**
 * A row equal to the previous one at the same position is the same object again, and if all rows are, so are the
 * samples. Passing the same `labels` object for an unchanged series makes the comparison cheap.
 */
export function createSampleCache(): SampleCache {
  const previous = new Map<Family, Samples>();
  return (family, items, measure) => {
    const before = previous.get(family) ?? { family, rows: [] };
    /** Copied at the first difference. */
    let rows: Row[] | undefined;
    let count = 0;
    for (const item of items) {
      const value = measure(item);
      if (value === undefined) continue;
      const { labels } = item;
      const known = before.rows[count];
      if (known && Object.is(known.value, value) && equalLabels(known.labels, labels)) {
        rows?.push(known);
      } else {
        rows ??= before.rows.slice(0, count);
        rows.push({ labels, value });
      }
      count += 1;
    }
    const isUnchanged = rows === undefined && count === before.rows.length;
    const samples = isUnchanged ? before : { family, rows: rows ?? before.rows.slice(0, count) };
    previous.set(family, samples);
    return samples;
  };
}

function equalLabels(one: Row['labels'], other: Row['labels']): boolean {
  if (one === other) return true;
  for (const name in one) if (one[name] !== other[name]) return false;
  for (const name in other) if (one[name] === undefined) return false;
  return true;
}
