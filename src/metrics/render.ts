import type { Row, Samples } from './family.ts';

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

/**
 * Renders these samples. The text of a `Samples` object is written once, and so is the line of a `Row` object: a
 * scrape costs what has changed since the last one. Families without rows are left out.
 */
export function render(all: readonly Samples[], format: Format): Buffer {
  const pieces = all.filter(({ rows }) => rows.length > 0).map((samples) => textOf(samples, format));
  if (format === 'openmetrics') pieces.push(EOF);
  return Buffer.concat(pieces);
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
 * OpenMetrics names a counter without the suffix `_total` of its samples. It has no counters without that suffix:
 * those are of unknown type.
 */
function openmetricsTitle({ name, type }: Samples['family']): { title: string; type: string } {
  if (type === 'counter') {
    return name.endsWith('_total')
      ? { title: name.slice(0, -'_total'.length), type }
      : { title: name, type: 'unknown' };
  }
  return { title: name, type: type === 'untyped' ? 'unknown' : type };
}

/** The same in both formats. Joined, because V8 would keep the parts of a concatenation in memory. */
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
