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

/** Columns aligned with spaces, two apart; no space at the end of a line. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
