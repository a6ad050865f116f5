/** A strict reader of the two exposition formats: throws, with the line, at anything a scraper could reject. */
export interface Exposition {
  families: ParsedFamily[];
  /** The value of one series; undefined when there is none. Labels in any order. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

export interface ParsedFamily {
  name: string;
  type: string;
  help: string;
  samples: ParsedSample[];
}

export interface ParsedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export type ExpositionFormat = 'text' | 'openmetrics';

const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const NUMBER = /^(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]\d+)?)$/;
const SUFFIXES: Record<string, string[]> = { histogram: ['_bucket', '_sum', '_count'] };

export function parseExposition(text: string, format: ExpositionFormat = 'text'): Exposition {
  const lines = linesOf(text, format);
  const families: ParsedFamily[] = [];
  const named = new Set<string>();
  const series = new Map<string, number>();
  let at = 0;

  while (at < lines.length) {
    const family = openFamily();
    while (at < lines.length && !lines[at]?.startsWith('#')) addSample(family, lines[at++] ?? '');
    if (family.samples.length === 0) throw new Error(`family ${family.name} has no samples`);
    if (family.type === 'histogram') checkHistogram(family);
  }
  return { families, value: (name, labels = {}) => series.get(keyOf(name, labels)) };

  function openFamily(): ParsedFamily {
    const help = /^# HELP (\S+) (.*)$/su.exec(lines[at] ?? '');
    const type = /^# TYPE (\S+) (gauge|counter|histogram)$/.exec(lines[at + 1] ?? '');
    if (!help?.[1] || !type?.[1] || !type[2] || help[1] !== type[1]) {
      throw new Error(`HELP and TYPE of one family expected at ${JSON.stringify(lines.slice(at, at + 2))}`);
    }
    const [, name, kind] = type;
    if (!METRIC.test(name)) throw new Error(`illegal metric name ${name}`);
    if (named.has(name)) throw new Error(`family ${name} appears twice`);
    if (format === 'openmetrics' && kind === 'counter' && name.endsWith('_total')) {
      throw new Error(`OpenMetrics names the counter ${name} without _total`);
    }
    named.add(name);
    const family = { name, type: kind, help: unescapeText(help[2] ?? '', format), samples: [] };
    families.push(family);
    at += 2;
    return family;
  }

  function addSample(family: ParsedFamily, line: string): void {
    const sample = parseSample(line);
    if (!sampleNames(family, format).includes(sample.name)) {
      throw new Error(`sample ${line} does not belong to the ${family.type} ${family.name}`);
    }
    const key = keyOf(sample.name, sample.labels);
    if (series.has(key)) throw new Error(`series appears twice: ${line}`);
    series.set(key, sample.value);
    family.samples.push(sample);
  }
}

function linesOf(text: string, format: ExpositionFormat): string[] {
  if (!Buffer.from(text).equals(Buffer.from(Buffer.from(text).toString('utf8'))))
    throw new Error('bad UTF-8');
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const lines = text.slice(0, -1).split('\n');
  const ends = lines.filter((line) => line === '# EOF').length;
  if (format === 'openmetrics') {
    if (lines.pop() !== '# EOF' || ends !== 1) throw new Error('one # EOF at the end expected');
  } else if (ends > 0) {
    throw new Error('# EOF is of OpenMetrics only');
  }
  return lines;
}

function sampleNames({ name, type }: ParsedFamily, format: ExpositionFormat): string[] {
  if (format === 'openmetrics' && type === 'counter') return [`${name}_total`];
  return (SUFFIXES[type] ?? ['']).map((suffix) => name + suffix);
}

function parseSample(line: string): ParsedSample {
  const name = /^[^{ ]+/.exec(line)?.[0] ?? '';
  if (!METRIC.test(name)) throw new Error(`illegal metric name in ${line}`);
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length);
  if (rest.startsWith('{')) {
    const pair = /^[{,]([^=]+)="((?:[^"\\]|\\[\\"n])*)"/su;
    for (let found = pair.exec(rest); found; found = pair.exec(rest)) {
      const [whole, label = '', value = ''] = found;
      if (!LABEL.test(label) || label.startsWith('__')) throw new Error(`illegal label ${label} in ${line}`);
      if (label in labels) throw new Error(`label ${label} twice in ${line}`);
      labels[label] = unescapeLabel(value);
      rest = rest.slice(whole.length);
    }
    if (!rest.startsWith('}')) throw new Error(`labels do not end in ${line}`);
    rest = rest.slice(1);
  }
  if (!rest.startsWith(' ') || !NUMBER.test(rest.slice(1))) throw new Error(`no number in ${line}`);
  return { name, labels, value: numberOf(rest.slice(1)) };
}

/** Of each label set: buckets in order that only grow, +Inf among them and equal to the count, one sum. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const sets = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = keyOf(name, labels);
    sets.set(key, [...(sets.get(key) ?? []), sample]);
  }
  for (const [key, all] of sets) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => numberOf(labels.le ?? ''));
    const rising = (values: number[]) => values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
    const count = all.filter((sample) => sample.name === `${name}_count`);
    const sum = all.filter((sample) => sample.name === `${name}_sum`);
    const whole =
      rising(bounds) &&
      rising(buckets.map(({ value }) => value)) &&
      bounds.at(-1) === Number.POSITIVE_INFINITY &&
      buckets.at(-1)?.value === count[0]?.value &&
      count.length === 1 &&
      sum.length === 1;
    if (!whole) throw new Error(`the histogram ${key} is not whole`);
  }
}

function unescapeLabel(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, character: string) => (character === 'n' ? '\n' : character));
}

function unescapeText(text: string, format: ExpositionFormat): string {
  if (format === 'openmetrics' && /(^|[^\\])(\\\\)*"/.test(text))
    throw new Error(`bare quote in help: ${text}`);
  return unescapeLabel(text);
}

function numberOf(text: string): number {
  return text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  return JSON.stringify([name, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
