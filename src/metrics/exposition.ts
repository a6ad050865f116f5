import { groupBy } from '../lib/group-by.ts';
import { perObject } from '../lib/per-object.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { weighedGroups } from '../lib/weighed-groups.ts';

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

/** One line of the exposition. Immutable. */
export interface Row {
  labels: Readonly<Record<string, string>>;
  value: number;
  /** `_bucket`, `_sum` or `_count` of a histogram. */
  suffix?: string | undefined;
}

/** A row with all properties, so that thousands of them have one hidden class. */
export function newRow(labels: Row['labels'], value: number, suffix?: string): Row {
  return { labels, value, suffix };
}

/**
 * Rows of one family at one moment. Immutable: `render` keeps their text for as long as the object lives. What changes
 * together belongs together: the samples of a family come in several objects where it has many rows.
 */
export interface Samples {
  readonly family: Family;
  readonly rows: readonly Row[];
}

/** Models of a router whose rows are in the same samples: a change of one makes the samples of all of them again. */
export const MODELS_TOGETHER = 16;

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
    const rows: Row[] = [];
    let isUnchanged = true;
    for (const item of items) {
      const value = measure(item);
      if (value === undefined) continue;
      const { labels } = item;
      const known = before.rows[rows.length];
      const isSame = known && Object.is(known.value, value) && equalLabels(known.labels, labels);
      isUnchanged &&= isSame === true;
      rows.push(isSame ? known : newRow(labels, value));
    }
    const samples = isUnchanged && rows.length === before.rows.length ? before : { family, rows };
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

/** Text 0.0.4 and OpenMetrics 1.0.0: the formats that Prometheus 2 and 3 request. */
export type Format = 'text' | 'openmetrics';

export const CONTENT_TYPES: Record<Format, string> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The format that an `Accept` header prefers: text unless OpenMetrics 1.0.0 is named and not weighted lower. */
export function negotiateFormat(accept: string | undefined): Format {
  let openmetrics = 0;
  let text = 0;
  for (const entry of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const quality = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1) || 0;
    const version = parameters.find((p) => p.startsWith('version='))?.slice(8);
    if (type === 'application/openmetrics-text' && (version === undefined || version === '1.0.0')) {
      openmetrics = Math.max(openmetrics, quality);
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') {
      text = Math.max(text, quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}

/** A shorter text is one piece: many small ones take longer than joining them. */
export const JOINED_BYTES = 256 * 1024;

/**
 * Renders these samples as pieces of one text, which are not to be joined: a large scrape would be copied each time.
 * Samples of one family may come from several places; the first ones name its help and type. Texts are kept for as long as
 * their samples live: a scrape costs what has changed since the last one. Families without rows are left out.
 */
export function render(all: readonly Samples[], format: Format): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (const same of groupBy(all, ({ family }) => family.name).values()) {
    const texts = textsOf(same.filter(({ rows }) => rows.length > 0));
    if (texts.length > 0)
      pieces.push(...same.slice(0, 1).map(({ family }) => TITLES[format](family)), ...texts);
  }
  if (format === 'openmetrics') pieces.push(EOF);
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return bytes < JOINED_BYTES ? [Buffer.concat(pieces)] : pieces;
}

const EOF = Buffer.from('# EOF\n');

const TITLES: Record<Format, (family: Family) => Buffer> = {
  text: perObject((family) => titleOf(family, family.name, family.type, escapeHelp(family.help))),
  openmetrics: perObject((family) => {
    const { title, type } = openmetricsTitle(family);
    return titleOf(family, title, type, escapeLabel(family.help));
  }),
};

function titleOf({ help }: Family, title: string, type: string, escapedHelp: string): Buffer {
  const helpLine = help === '' ? '' : `# HELP ${title} ${escapedHelp}\n`;
  return Buffer.from(`${helpLine}# TYPE ${title} ${type}\n`);
}

/** Samples that share a text, with that text, which is the same in both formats. */
interface Block {
  samples: readonly Samples[];
  text: Buffer;
}

/** By their first samples, so that they go when these do. */
const blocks = new WeakMap<Samples, Block>();

function textsOf(all: readonly Samples[]): Buffer[] {
  const rowsOf = ({ rows }: Samples) => rows.length;
  const size = blockSize(all.reduce((sum, samples) => sum + rowsOf(samples), 0));
  return weighedGroups(all, rowsOf, size).map(textOf);
}

/** The least rows of a block; a family has 64 blocks at most. A power of two, so that one more row rarely changes all blocks. */
function blockSize(rows: number): number {
  let size = 32;
  while (size * 64 < rows) size *= 2;
  return size;
}

function textOf(samples: readonly Samples[]): Buffer {
  const first = samples[0] as Samples;
  const known = blocks.get(first);
  if (known && hasSameItems(known.samples, samples)) return known.text;
  let text = '';
  for (const { family, rows } of samples) for (const row of rows) text += lineOf(family.name, row);
  const block = { samples, text: Buffer.from(text) };
  blocks.set(first, block);
  return block.text;
}

/**
 * OpenMetrics names a counter without the suffix `_total` of its samples. It has no counters without that suffix:
 * those are of unknown type.
 */
function openmetricsTitle({ name, type }: Family): { title: string; type: string } {
  const title = name.replace(/_total$/, '');
  if (type === 'counter' && title !== name) return { title, type };
  return { title: name, type: type === 'untyped' || type === 'counter' ? 'unknown' : type };
}

function lineOf(name: string, row: Row): string {
  return `${name}${row.suffix ?? ''}${labelsOf(row)} ${numberOf(row.value)}\n`;
}

function labelsOf({ labels }: Row): string {
  let text = '';
  for (const name in labels) text += `${text ? ',' : '{'}${name}="${escapeLabel(labels[name] ?? '')}"`;
  return text && `${text}}`;
}

const NEEDS_ESCAPE = /[\\"\n]/;

function escapeLabel(value: string): string {
  if (!NEEDS_ESCAPE.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function escapeHelp(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

function numberOf(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
