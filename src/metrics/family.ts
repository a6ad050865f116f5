/** A metric as the catalogue declares it: the texts of `# HELP` and `# TYPE`, and its labels. */
export interface Family<Label extends string = string> {
  name: string;
  /** `summary` and `untyped` come from the models' own metrics only. */
  type: 'gauge' | 'counter' | 'histogram' | 'summary' | 'untyped';
  help: string;
  labels: readonly Label[];
  /** Upper bounds of a histogram, in its unit. */
  buckets?: readonly number[];
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

type Declare = <const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
) => Family<Label>;

export const gauge: Declare = (name, help, labels) => ({ name, type: 'gauge', help, labels });

export const counter: Declare = (name, help, labels) => ({ name, type: 'counter', help, labels });

export function histogram<const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
  buckets: readonly number[],
): Family<Label> {
  return { name, type: 'histogram', help, labels, buckets };
}

/** Calls `row` for each series of a family. A row without a value is left out: absent is not zero. */
type Fill<Label extends string> = (
  row: (labels: Readonly<Record<Label, string>>, value: number | undefined) => void,
) => void;

/** Collects the rows of a family at every scrape; what has not changed keeps its text. */
export type SampleCache = <Label extends string>(family: Family<Label>, fill: Fill<Label>) => Samples;

/**
 * A row equal to the previous one at the same position is the same object again, and if all rows are, so are the
 * samples. Passing the same `labels` object for an unchanged series makes the comparison cheap.
 */
export function createSampleCache(): SampleCache {
  const previous = new Map<Family, Samples>();
  return (family, fill) => {
    const before = previous.get(family) ?? { family, rows: [] };
    /** Copied at the first difference. */
    let rows: Row[] | undefined;
    let count = 0;
    fill((labels, value) => {
      if (value === undefined) return;
      const known = before.rows[count];
      if (known && Object.is(known.value, value) && equalLabels(known.labels, labels)) {
        rows?.push(known);
      } else {
        rows ??= before.rows.slice(0, count);
        rows.push({ labels, value });
      }
      count += 1;
    });
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
