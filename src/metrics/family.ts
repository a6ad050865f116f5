/** A metric of ours, declared once: what `# HELP` and `# TYPE` say of it, and the labels it must carry. */
export interface Family<Label extends string = string> {
  name: string;
  /** `summary` and `untyped` come from the models' own metrics only. */
  type: 'gauge' | 'counter' | 'histogram' | 'summary' | 'untyped';
  help: string;
  labels: readonly Label[];
  /** Upper bounds of a histogram, in its unit. */
  buckets?: readonly number[];
}

/** One line of a family: its value under these label values. */
export interface Row {
  labels: Readonly<Record<string, string>>;
  value: number;
  /** A histogram's `_bucket`, `_sum` or `_count`. */
  suffix?: string;
  /** Its text, once render.ts has written it. */
  line?: string;
}

/**
 * The rows of one family at one moment. Immutable: whoever has nothing new to say returns the same object,
 * and its text is not written again (see render.ts).
 */
export interface Samples {
  readonly family: Family;
  readonly rows: readonly Row[];
}

export function gauge<const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
): Family<Label> {
  return { name, type: 'gauge', help, labels };
}

export function counter<const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
): Family<Label> {
  return { name, type: 'counter', help, labels };
}

export function histogram<const Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[],
  buckets: readonly number[],
): Family<Label> {
  return { name, type: 'histogram', help, labels, buckets };
}

/** Writes the rows of a family, one call a row; labels are checked by the compiler. */
type Fill<Label extends string> = (
  row: (labels: Readonly<Record<Label, string>>, value: number | undefined, suffix?: string) => void,
) => void;

/** A sheet of rows, filled once. What is not known has no row: absent is not zero. */
export function samplesOf<Label extends string>(family: Family<Label>, fill: Fill<Label>): Samples {
  return createSampleCache()(family, fill);
}

/**
 * Sheets that are filled again and again. A row that reads as it did in the same place last time is the same
 * object, and when all rows are, so are the samples: what has not changed is not written again (see render.ts).
 */
export function createSampleCache() {
  const filled = new Map<Family, Samples>();
  return function sheet<Label extends string>(family: Family<Label>, fill: Fill<Label>): Samples {
    const before = filled.get(family)?.rows ?? [];
    const rows: Row[] = [];
    let changed = false;
    fill((labels, value, suffix) => {
      if (value === undefined) return;
      const known = before[rows.length];
      if (known && readsAs(known, labels, value, suffix)) {
        rows.push(known);
      } else {
        rows.push({ labels, value, ...(suffix !== undefined && { suffix }) });
        changed = true;
      }
    });
    const same = changed || rows.length !== before.length ? undefined : filled.get(family);
    const samples = same ?? { family, rows };
    filled.set(family, samples);
    return samples;
  };
}

function readsAs(row: Row, labels: Row['labels'], value: number, suffix: string | undefined): boolean {
  if (row.value !== value || row.suffix !== suffix) return false;
  if (row.labels === labels) return true;
  for (const name in labels) if (row.labels[name] !== labels[name]) return false;
  return true;
}
