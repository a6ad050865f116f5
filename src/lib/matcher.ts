import { failed, ok, type Result } from './result.ts';

/** Labels of an alert. */
export type Labels = Readonly<Record<string, string>>;

/** A condition on one label, as Prometheus and Alertmanager write it: `severity=~"critical|page"`. */
export type Matcher =
  | { readonly label: string; readonly operator: '=' | '!='; readonly value: string }
  | {
      readonly label: string;
      readonly operator: '=~' | '!~';
      readonly value: string;
      readonly pattern: RegExp;
    };

/**
 * One matcher of a text, as Alertmanager reads it in its configuration: label and value each bare or in double
 * quotes, in which `\"`, `\\` and `\n` are escapes and any other backslash is one. A fault says what is wrong.
 */
export function parseMatcher(text: string): Result<Matcher, string> {
  const parts = MATCHER.exec(text);
  if (!parts) return failed(whyNot(text));
  const { quotedLabel, bareLabel = '', operator, quotedValue, bareValue = '' } = parts.groups ?? {};
  const label = quotedLabel === undefined ? bareLabel : withoutEscapes(quotedLabel);
  const value = withoutEscapes(quotedValue ?? bareValue);
  if (label === '') return failed('the name of the label is empty');
  if (operator === '=' || operator === '!=') return ok(Object.freeze({ label, operator, value }));
  const pattern = compile(value);
  if (pattern === undefined) return failed(`'${value}' is no regular expression that can be used here`);
  return ok(Object.freeze({ label, operator: operator === '=~' ? '=~' : '!~', value, pattern }));
}

/** Several matchers in one text, separated by commas outside of quotes: each as a text of its own. */
export function splitMatchers(text: string): string[] {
  const parts = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,])+/gs) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** Whether labels satisfy a matcher; a label that is not there is the empty text, as in Prometheus. */
export function matchesLabels(matcher: Matcher, labels: Labels): boolean {
  const value = labelOf(labels, matcher.label);
  switch (matcher.operator) {
    case '=':
      return value === matcher.value;
    case '!=':
      return value !== matcher.value;
    case '=~':
      return matcher.pattern.test(value);
    case '!~':
      return !matcher.pattern.test(value);
  }
}

/** The value of a label, the empty text without one: also for a label that is called like a method of objects. */
export function labelOf(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? '') : '';
}

/** A matcher as text that parses to the same one. */
export function formatMatcher({ label, operator, value }: Matcher): string {
  return `${BARE_LABEL.test(label) ? label : quoted(label)}${operator}${quoted(value)}`;
}

const BARE_LABEL = /^[^\s{}!=~,\\"'`]+$/u;

const MATCHER = new RegExp(
  [
    String.raw`^\s*(?:"(?<quotedLabel>(?:[^"\\]|\\.)*)"|(?<bareLabel>[^\s{}!=~,\\"'${'`'}]+))`,
    String.raw`\s*(?<operator>=~|!~|!=|=)`,
    // A bare value may hold anything but quotes and what separates matchers.
    String.raw`\s*(?:"(?<quotedValue>(?:[^"\\]|\\.)*)"|(?<bareValue>(?:[^"\\,{}]|\\.)*?))\s*$`,
  ].join(''),
  'su',
);

function whyNot(text: string): string {
  if (text.trim() === '') return 'it is empty';
  if (!/[=~]/.test(text)) return 'it has none of = != =~ !~';
  const quotes = text.match(/(?<!\\)(?:\\\\)*"/g)?.length ?? 0;
  if (quotes % 2 === 1) return 'a closing double quote is missing, or one within needs a backslash';
  if (quotes > 2 && splitMatchers(text).length > 1) return 'it holds several: give each its own line';
  return 'a value with " , { } or blanks needs double quotes';
}

function withoutEscapes(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}

function quoted(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}

/** What Go's regular expressions do not have: Alertmanager would refuse the same text. */
const NOT_IN_GO = /\\[1-9k]|\(\?<?[=!]/;

/**
 * Anchored at both ends, as Alertmanager does it. Of Go's flags `(?i)` and `(?s)` at the front are understood;
 * punctuation that needs no backslash may have one, which JavaScript alone would refuse.
 */
function compile(value: string): RegExp | undefined {
  const [front = '', flags = ''] = /^\(\?([is]+)\)/.exec(value) ?? [];
  const body = value.slice(front.length).replace(/\\([\s\S])/g, (pair, letter: string) => {
    return /[^A-Za-z0-9^$\\.*+?()[\]{}|/-]/.test(letter) ? letter : pair === '\\-' ? '\\x2d' : pair;
  });
  if (NOT_IN_GO.test(body.replaceAll('\\\\', ''))) return undefined;
  try {
    return Object.freeze(new RegExp(`^(?:${body})$`, `u${[...new Set(flags)].sort().join('')}`));
  } catch {
    return undefined;
  }
}
