/** A metric of ours, declared once: what `# HELP` and `# TYPE` say of it, and the labels it must carry. */
export interface Family<Label extends string = string> {
  name: string;
  type: 'gauge' | 'counter' | 'histogram';
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

/** A sheet of rows to be filled for one family; labels are checked by the compiler. */
export function samplesOf<Label extends string>(
  family: Family<Label>,
  fill: (row: (labels: Record<Label, string>, value: number | undefined) => void) => void,
): Samples {
  const rows: Row[] = [];
  fill((labels, value) => {
    // What is not known has no row: absent is not zero.
    if (value !== undefined) rows.push({ labels, value });
  });
  return { family, rows };
}
