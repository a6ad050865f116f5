import { oneLine } from '../lib/one-line.ts';

const LONGEST = 1000;

/**
 * A copy in which every text is on one line and without control characters. Model ids, reasons and errors come from
 * other programs and people: printed as they are, they could control the terminal.
 */
export function printable<T>(value: T): T;
export function printable(value: unknown): unknown {
  if (typeof value === 'string') return oneLine(value, LONGEST);
  if (Array.isArray(value)) return value.map((each) => printable(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, printable(inner)]));
}

/** Indented JSON in which control characters are escaped, also those that JSON allows. */
export function formatJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2).replace(
    /[^\P{Cc}\n]|[\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${json}\n`;
}

/** The columns below their heads, aligned with spaces, two apart. Columns without a value are left out. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const used = head.flatMap((_, column) => (rows.some((row) => row[column]) ? column : []));
  const cells = [head, ...rows].map((row) => used.map((column) => row[column] ?? ''));
  const widths = used.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
