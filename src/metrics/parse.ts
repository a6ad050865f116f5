import { failed, ok, type Result } from '../lib/result.ts';
import type { Family, Row, Samples } from './exposition.ts';

const TYPES: readonly string[] = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const SUFFIXES: Partial<Record<Family['type'], readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};
const META = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*)(?: (.*))?$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$/;
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\[\\"n])*)"[ \t]*(?:,|$)/y;
/** Like Prometheus, in any case: llama-server divides by zero and prints `inf` and `-nan`. */
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)$/i;

interface OpenFamily {
  family: Family;
  rows: Row[];
}

/**
 * Parses text 0.0.4 strictly: an invalid line, a duplicate series or a family in two places rejects the whole text,
 * and the fault names the line. Timestamps are dropped.
 */
export function parseExposition(text: string): Result<Samples[], string> {
  const families = new Map<string, OpenFamily>();
  const series = new Set<string>();
  let current: OpenFamily | undefined;
  let number = 0;
  for (const line of text.split('\n')) {
    number += 1;
    const problem = line.startsWith('#') ? readComment(line) : line === '' ? undefined : readSample(line);
    if (problem) return failed(`line ${number}: ${problem}: ${line.slice(0, 100)}`);
  }
  return ok([...families.values()].filter(({ rows }) => rows.length > 0));

  function readComment(line: string): string | undefined {
    if (!/^# (HELP|TYPE) /.test(line)) return undefined;
    const [, keyword, name, rest = ''] = META.exec(line) ?? [];
    if (name === undefined) return 'invalid HELP or TYPE';
    if (current?.family.name !== name) {
      if (families.has(name)) return 'a family in two places';
      current = start(name);
    }
    if (keyword === 'HELP') {
      current.family = { ...current.family, help: unescaped(rest) };
    } else {
      if (!TYPES.includes(rest) || current.rows.length > 0)
        return 'unknown type, or a type after its samples';
      current.family = { ...current.family, type: rest as Family['type'] };
    }
    return undefined;
  }

  function readSample(line: string): string | undefined {
    const [, name = '', inner = '', value = ''] = SAMPLE.exec(line) ?? [];
    const labels = name === '' ? undefined : parseLabels(inner);
    if (labels === undefined || !NUMBER.test(value)) return 'not a sample';
    if (current === undefined || !belongs(name, current.family)) {
      if (families.has(name)) return 'a family in two places';
      current = start(name);
    }
    const id = JSON.stringify([name, ...Object.entries(labels).sort()]);
    if (series.has(id)) return 'duplicate series';
    series.add(id);
    const suffix = name.slice(current.family.name.length);
    current.rows.push({ labels, value: numberOf(value), suffix: suffix || undefined });
    return undefined;
  }

  function start(name: string): OpenFamily {
    const opened: OpenFamily = { family: { name, type: 'untyped', help: '', labels: [] }, rows: [] };
    families.set(name, opened);
    return opened;
  }
}

function belongs(name: string, family: Family): boolean {
  return (SUFFIXES[family.type] ?? ['']).some((suffix) => name === family.name + suffix);
}

function parseLabels(written: string): Record<string, string> | undefined {
  const inner = written.trimEnd();
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inner.length) {
    const [, name, value] = LABEL.exec(inner) ?? [];
    if (name === undefined || value === undefined || Object.hasOwn(labels, name)) return undefined;
    labels[name] = unescaped(value);
  }
  return labels;
}

function unescaped(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, character) => (character === 'n' ? '\n' : character));
}

function numberOf(text: string): number {
  return Number(text.replace(/inf(?:inity)?/i, 'Infinity').replace(/[+-]?nan/i, 'NaN'));
}
