import { parseDuration } from '../lib/duration.ts';
import { type Matcher, parseMatcher, splitMatchers } from '../lib/matcher.ts';
import { nearest } from '../lib/nearest.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';

/** A parsed value, or what is wrong with it and what to write instead. */
export type Parsed<T> = Result<T, string>;

/** Stands for a credential with a reported problem, so that it is not also reported as missing. */
export const UNUSABLE = new Secret('');

/** Timers hold at most 2^31 ms: a longer wait would become none. */
const LONGEST_DURATION = '24d';

/** Text as it is. YAML numbers and booleans are refused: `name: 007` would lose its zeros. */
export function parseText(value: unknown): Parsed<string> {
  if (value === undefined) return failed('is missing');
  if (typeof value === 'string') return ok(value);
  const remedy = typeof value === 'object' ? '' : ': put it in quotes';
  return failed(`must be text, not ${kindOf(value)}${remedy}`);
}

/** Text on one line, not empty. */
export function parseVisibleText(value: unknown): Parsed<string> {
  const text = parseText(value);
  if (!text.ok) return text;
  const isVisible = text.value.trim() !== '' && !hasControlCharacter(text.value);
  return isVisible ? text : failed('must be visible text on one line');
}

/** A value that Node can send in a header. Numbers and booleans count as text, as in the exporter-toolkit. */
export function parseHeaderValue(value: unknown): Parsed<string> {
  const text = parseText(['number', 'boolean'].includes(typeof value) ? String(value) : value);
  if (!text.ok) return text;
  const isValid = /^[\t\x20-\x7e\x80-\xff]*$/.test(text.value);
  return isValid ? text : failed('must be printable ASCII on one line: put it in quotes, without | or >');
}

/** Seconds of `30s`, `1h30m`, `500ms` or of a plain number of seconds: at least `min`, at most 24 days. */
export function parseSeconds(value: unknown, min: string): Parsed<number> {
  if (value === undefined) return failed('is missing');
  const seconds = secondsOf(value);
  if (seconds === undefined) {
    return failed(`${quote(value)} is not a duration: write it like 30s, 1h30m or 500ms`);
  }
  if (seconds < (parseDuration(min) ?? 0)) return failed(`${quote(value)} is too short: at least ${min}`);
  if (seconds > (parseDuration(LONGEST_DURATION) ?? 0)) {
    return failed(`${quote(value)} is too long: at most ${LONGEST_DURATION}`);
  }
  return ok(seconds);
}

function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  return /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : parseDuration(value);
}

/** One of the choices, exactly as written. YAML 1.1, which Helm uses, reads `on` and `off` as booleans. */
export function parseChoice<C extends string>(value: unknown, choices: readonly C[]): Parsed<C> {
  const written = typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
  const choice = choices.find((each) => each === written);
  if (choice !== undefined) return ok(choice);
  const meant = typeof value === 'string' ? nearest(value.trim().toLowerCase(), choices) : undefined;
  return failed(`${quote(value)} is not one of ${choices.join(', ')}${didYouMean(meant)}`);
}

/** `true` or `false`, as a YAML boolean or as text. */
export function parseToggle(value: unknown): Parsed<boolean> {
  if (value === true || value === 'true') return ok(true);
  if (value === false || value === 'false') return ok(false);
  return failed(`${quote(value)} is neither true nor false`);
}

/** A whole number within the bounds, as a YAML number or as text. */
export function parseCount(value: unknown, min: number, max: number): Parsed<number> {
  const count = typeof value === 'string' && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isSafeInteger(count)) {
    return failed(`${quote(value)} is not a whole number`);
  }
  if (count < min) return failed(`${count} is too small: at least ${min}`);
  if (count > max) return failed(`${count} is too large: at most ${max}`);
  return ok(count);
}

/** A list of texts, as a YAML list or as a text with commas, each parsed; empty elements are dropped. */
export function parseList<T>(
  value: unknown,
  parse: (text: string) => Parsed<T>,
  split = (text: string) => text.split(','),
): Parsed<readonly T[]> {
  const parts = typeof value === 'string' ? split(value) : value;
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) {
    return failed('must be a list of texts');
  }
  const list: T[] = [];
  for (const text of parts.map((part) => part.trim()).filter((part) => part !== '')) {
    const parsed = parse(text);
    if (!parsed.ok) return parsed;
    list.push(parsed.value);
  }
  return ok(Object.freeze(list));
}

export function parseLabels(value: unknown): Parsed<Readonly<Record<string, string>>> {
  if (value === '') return ok(Object.freeze({}));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return failed(`must be a mapping, like 'site: attic', not ${kindOf(value)}`);
  }
  for (const [name, text] of Object.entries(value)) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
      return failed(`'${name}' is not a label name: use letters, digits and underscores`);
    }
    const parsed = parseText(text);
    if (!parsed.ok) return failed(`'${name}' ${parsed.fault}`);
    if (hasControlCharacter(parsed.value)) {
      return failed(`'${name}' has a line break: write it on one line`);
    }
  }
  return ok(Object.freeze({ ...(value as Record<string, string>) }));
}

/** At least one matcher, because none would match everything. */
export function parseMatchers(value: unknown): Parsed<readonly Matcher[]> {
  const matchers = parseList(value, parseOneMatcher, splitMatchers);
  if (!matchers.ok || matchers.value.length > 0) return matchers;
  return failed('is empty and would match every alert: give at least one matcher');
}

function parseOneMatcher(text: string): Parsed<Matcher> {
  const matcher = parseMatcher(text);
  if (matcher.ok) return matcher;
  const example = `write it like 'action="unload"' or 'severity=~"critical|page"'`;
  return failed(`'${text}' is not a matcher: ${matcher.fault}; ${example}`);
}

/** Whether a text contains what neither a label nor a header can: a line break, a tab, a NUL. */
export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** `: did you mean 'x'?`, or nothing. */
export function didYouMean(meant: string | undefined): string {
  return meant === undefined ? '' : `: did you mean '${meant}'?`;
}

function quote(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}
