import type { Row, Samples } from './family.ts';

/** The two formats that Prometheus 2 and 3 ask for. */
export type Format = 'text' | 'openmetrics';

export const CONTENT_TYPES: Record<Format, string> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The text of a scrape, in the pieces in which it is kept: to be sent one after the other, never copied. */
export type Exposition = readonly Buffer[];

/**
 * The exposition of these samples. Each family's text is written once per Samples object and kept with it, so
 * that a scrape pays only for what has changed. Families without rows are left out. Infinities and NaN are
 * written as the formats want them.
 */
export function render(all: readonly Samples[], format: Format): Exposition {
  const parts: Buffer[] = [];
  for (const samples of all) {
    if (samples.rows.length > 0) parts.push(textOf(samples, format));
  }
  if (format === 'openmetrics') parts.push(EOF);
  return parts;
}

const EOF = Buffer.from('# EOF\n');
const written: Record<Format, WeakMap<Samples, Buffer>> = { text: new WeakMap(), openmetrics: new WeakMap() };

function textOf(samples: Samples, format: Format): Buffer {
  const known = written[format].get(samples);
  if (known) return known;
  const text = Buffer.from(write(samples, format));
  written[format].set(samples, text);
  return text;
}

function write({ family, rows }: Samples, format: Format): string {
  const { title, type } =
    format === 'openmetrics' ? openmetricsTitle(family) : { title: family.name, type: family.type };
  const help = format === 'openmetrics' ? escapeLabel(family.help) : escapeHelp(family.help);
  let text = family.help === '' ? '' : `# HELP ${title} ${help}\n`;
  text += `# TYPE ${title} ${type}\n`;
  for (const row of rows) text += lineOf(family.name, row);
  return text;
}

/**
 * OpenMetrics names a counter's family without the suffix that its samples carry. A counter that has no such
 * suffix is none to it, so that its type is not told there.
 */
function openmetricsTitle({ name, type }: Samples['family']): { title: string; type: string } {
  if (type === 'counter') {
    return name.endsWith('_total')
      ? { title: name.slice(0, -'_total'.length), type }
      : { title: name, type: 'unknown' };
  }
  return { title: name, type: type === 'untyped' ? 'unknown' : type };
}

/** Both formats write a row alike. Joined and not added up: V8 would keep the pieces of a sum apart. */
function lineOf(name: string, row: Row): string {
  row.line ??= [name, row.suffix ?? '', labelsOf(row), ' ', numberOf(row.value), '\n'].join('');
  return row.line;
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
