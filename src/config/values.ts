import { validateHeaderValue } from 'node:http';
import { parseDuration } from '../lib/duration.ts';
import { type Matcher, parseMatcher, splitMatchers } from '../lib/matcher.ts';
import { nearest } from '../lib/nearest.ts';
import { Secret } from '../lib/secret.ts';

/** What a value as written turned out to be, or what is wrong with it and what to write instead. */
export type Parsed<T> = { value: T } | { wrong: string };

/** Stands for a credential whose fault has been told: where one is required, it is not missing besides. */
export const UNUSABLE = new Secret('');

/** Timers hold at most 2^31 ms; a longer wait would silently become none at all. */
export const LONGEST_DURATION = '24d';

/** Text as it is; a YAML number or boolean is refused, for `name: 007` would lose its zeros unnoticed. */
export function parseText(value: unknown): Parsed<string> {
  if (value === undefined) return { wrong: 'is missing' };
  if (typeof value === 'string') return { value };
  const remedy = typeof value === 'object' ? '' : ': put it in quotes';
  return { wrong: `must be text, not ${kindOf(value)}${remedy}` };
}

/** A value that Node sends in a header: an invalid one would throw at every request. Numbers count as text. */
export function parseHeaderValue(value: unknown): Parsed<string> {
  const text = parseText(typeof value === 'number' ? String(value) : value);
  if ('wrong' in text) return text;
  try {
    validateHeaderValue('X', text.value);
    return text;
  } catch {
    const isBroken = /[\r\n]/.test(text.value);
    return {
      wrong: isBroken
        ? 'has a line break: write the value on one line, in quotes and without | or >'
        : 'has a character that a header cannot hold: keep to printable ASCII',
    };
  }
}

/** Seconds of `30s`, `1h30m`, `500ms` or of a plain number of seconds, within the bounds (as durations). */
export function parseSeconds(value: unknown, min: string, max: string): Parsed<number> {
  const seconds = secondsOf(value);
  if (seconds === undefined) {
    return { wrong: `${quote(value)} is no duration: write it like 30s, 1h30m or 500ms` };
  }
  if (seconds < (parseDuration(min) ?? 0)) return { wrong: `${quote(value)} is too short: at least ${min}` };
  if (seconds > (parseDuration(max) ?? 0)) return { wrong: `${quote(value)} is too long: at most ${max}` };
  return { value: seconds };
}

function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  return /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : parseDuration(value);
}

/** One of the given words, exactly as written. */
export function parseChoice<C extends string>(value: unknown, choices: readonly C[]): Parsed<C> {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return { value: choice };
  const meant = typeof value === 'string' ? nearest(value.trim().toLowerCase(), choices) : undefined;
  return { wrong: `${quote(value)} is none of ${choices.join(', ')}${didYouMean(meant)}` };
}

/** `true` or `false`, of YAML or as a word. */
export function parseToggle(value: unknown): Parsed<boolean> {
  if (value === true || value === 'true') return { value: true };
  if (value === false || value === 'false') return { value: false };
  return { wrong: `${quote(value)} is neither true nor false` };
}

/** A whole number within the bounds, of YAML or in digits. */
export function parseCount(value: unknown, min: number, max: number): Parsed<number> {
  const count = typeof value === 'string' && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isSafeInteger(count)) {
    return { wrong: `${quote(value)} is no whole number` };
  }
  if (count < min) return { wrong: `${count} is too small: at least ${min}` };
  if (count > max) return { wrong: `${count} is too large: at most ${max}` };
  return { value: count };
}

/** A list of texts, of YAML or separated by commas; empty elements fall away. */
export function parseTexts(value: unknown): Parsed<readonly string[]> {
  const parts = typeof value === 'string' ? value.split(',') : value;
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) {
    return { wrong: 'must be a list of texts' };
  }
  return { value: Object.freeze(parts.map((part) => part.trim()).filter((part) => part !== '')) };
}

/** Labels as Prometheus allows them, with text for values. */
export function parseLabels(value: unknown): Parsed<Readonly<Record<string, string>>> {
  if (value === '') return { value: Object.freeze({}) };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { wrong: `must be a mapping, like 'site: attic', not ${kindOf(value)}` };
  }
  for (const [name, text] of Object.entries(value)) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
      return { wrong: `'${name}' is no name of a label: letters, digits and underscores` };
    }
    const parsed = parseText(text);
    if ('wrong' in parsed) return { wrong: `'${name}' ${parsed.wrong}` };
    if (hasControlCharacter(parsed.value))
      return { wrong: `'${name}' holds a line break: write it on one line` };
  }
  return { value: Object.freeze({ ...(value as Record<string, string>) }) };
}

/** Conditions on labels, of YAML one a text, or separated by commas: at least one, for none would match everything. */
export function parseMatchers(value: unknown): Parsed<readonly Matcher[]> {
  const list = typeof value === 'string' ? splitMatchers(value) : value;
  if (!Array.isArray(list) || !list.every((each) => typeof each === 'string')) {
    return { wrong: 'must be a list of texts' };
  }
  if (list.length === 0) return { wrong: 'is empty and would match every alert: write what it must have' };
  const matchers: Matcher[] = [];
  for (const text of list) {
    const matcher = parseMatcher(text);
    if (!matcher.ok) return { wrong: `'${text}' is no matcher, ${matcher.fault}: ${MATCHER_EXAMPLE}` };
    matchers.push(matcher.value);
  }
  return { value: Object.freeze(matchers) };
}

const MATCHER_EXAMPLE = `write it like 'action="unload"' or 'severity=~"critical|page"'`;

/** Whether a text holds what neither a label nor a header can: a line break, a tab, a NUL. */
export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** A value for a message: text in quotes, numbers and booleans bare, the rest by its kind. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

/** `: did you mean 'x'?`, or nothing when nobody knows. */
export function didYouMean(meant: string | undefined): string {
  return meant === undefined ? '' : `: did you mean '${meant}'?`;
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}
