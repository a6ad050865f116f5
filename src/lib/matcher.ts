import { RE2JS } from 're2js';
import { perObject } from './per-object.ts';
import { failed, ok, type Result } from './result.ts';

export type LabelSet = Readonly<Record<string, string>>;

/** A condition on one label, as Prometheus and Alertmanager write it: `severity=~"critical|page"`. */
export interface Matcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

/**
 * The pattern of a matcher, anchored at both ends as in Alertmanager, whose engine is RE2, too: it takes linear time with
 * every pattern. Throws when the pattern is invalid.
 */
const patternOf = perObject(({ value }: Matcher) => RE2JS.compile(`^(?:${value})$`));

/**
 * Parses one matcher in the syntax of Alertmanager's configuration: label and value are bare or in double quotes, in
 * which `\"`, `\\` and `\n` are escapes and any other backslash is literal. Takes time linear in the text.
 */
export function parseMatcher(text: string): Result<Matcher, string> {
  const { quotedLabel, bareLabel, operator, rest = '' } = HEAD.exec(text.trim())?.groups ?? {};
  const [, quotedValue] = QUOTED.exec(rest) ?? [];
  if (operator === undefined || (quotedValue === undefined && !BARE_VALUE.test(rest))) {
    return failed(whyNot(text));
  }
  const label = bareLabel ?? unescaped(quotedLabel ?? '');
  if (label === '') return failed('the label name is empty');
  const value = unescaped(quotedValue ?? rest);
  const matcher = Object.freeze({ label, operator: operator as Matcher['operator'], value });
  try {
    if (operator.endsWith('~')) patternOf(matcher);
    return ok(matcher);
  } catch (error) {
    const reason = (error as Error).message.replace(/^error parsing regexp: |: `[\s\S]*`$/g, '');
    return failed(`'${value}' is not a valid regular expression (RE2): ${reason}`);
  }
}

/** Splits a text at the commas outside of quotes. */
export function splitMatchers(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let inQuotes = false;
  for (let i = 0; i <= text.length; i += 1) {
    if (i === text.length || (text[i] === ',' && !inQuotes)) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    } else if (text[i] === '"') inQuotes = !inQuotes;
    else if (text[i] === '\\' && inQuotes && i + 1 < text.length) i += 1;
  }
  return parts.filter((part) => part !== '');
}

/** Whether labels satisfy a parsed matcher; a missing label counts as empty, as in Prometheus. */
export function matchesLabels(matcher: Matcher, labels: LabelSet): boolean {
  const { label, operator, value: wanted } = matcher;
  const value = labelOf(labels, label);
  const isEqual = operator.endsWith('~') ? patternOf(matcher).test(value) : value === wanted;
  return operator.startsWith('!') ? !isEqual : isEqual;
}

/** The value of a label, empty when missing. Safe for labels named like a method of objects. */
export function labelOf(labels: LabelSet, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? '') : '';
}

/** The text that parses to this matcher. */
export function formatMatcher({ label, operator, value }: Matcher): string {
  return `${BARE_LABEL.test(label) ? label : quoted(label)}${operator}${quoted(value)}`;
}

const BARE_LABEL = /^[^\s{}!=~,\\"'`]+$/u;
const HEAD =
  /^(?:"(?<quotedLabel>(?:[^"\\]|\\.)*)"|(?<bareLabel>[^\s{}!=~,\\"'`]+))\s*(?<operator>=~|!~|!=|=)\s*(?<rest>.*)$/su;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/su;
/** Anything but quotes and what separates matchers. */
const BARE_VALUE = /^(?:[^"\\,{}]|\\.)*$/su;

function whyNot(text: string): string {
  if (text.trim() === '') return 'it is empty';
  if (!/[=~]/.test(text)) return 'it has none of = != =~ !~';
  const quotes = text.match(/(?<!\\)(?:\\\\)*"/g)?.length ?? 0;
  if (quotes % 2 === 1) return 'a closing double quote is missing, or a quote within needs a backslash';
  if (quotes > 2 && splitMatchers(text).length > 1) return 'it holds several: give each its own line';
  return 'a value with " , { } or blanks needs double quotes';
}

function unescaped(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}

function quoted(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}
