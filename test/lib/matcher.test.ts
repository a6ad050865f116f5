import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formatMatcher,
  type Matcher,
  matchesLabels,
  parseMatcher,
  splitMatchers,
} from '../../src/lib/matcher.ts';
import { anyText } from '../support/any-text.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { MATCHER_CASES } from '../support/matcher-cases.ts';

const parsed = (text: string): Matcher => {
  const matcher = parseMatcher(text);
  if (!matcher.ok) throw new Error(matcher.fault);
  return matcher.value;
};

describe('parsing', () => {
  it.each<[string, Matcher]>([
    ['action="unload"', { label: 'action', operator: '=', value: 'unload' }],
    ['action=unload', { label: 'action', operator: '=', value: 'unload' }],
    ['  action  !=  "un load"  ', { label: 'action', operator: '!=', value: 'un load' }],
    ['action = un load ', { label: 'action', operator: '=', value: 'un load' }],
    ['action=', { label: 'action', operator: '=', value: '' }],
    ['action=""', { label: 'action', operator: '=', value: '' }],
    ['a=" b "', { label: 'a', operator: '=', value: ' b ' }],
    ['a="b,c={d}"', { label: 'a', operator: '=', value: 'b,c={d}' }],
    ['a=b=c', { label: 'a', operator: '=', value: 'b=c' }],
    [String.raw`a="say \"hi\" \\ \n \d"`, { label: 'a', operator: '=', value: 'say "hi" \\ \n \\d' }],
    ['"näme 🦙"="wert"', { label: 'näme 🦙', operator: '=', value: 'wert' }],
    ['näme=wert', { label: 'näme', operator: '=', value: 'wert' }],
    [String.raw`"a \"b\""="c"`, { label: 'a "b"', operator: '=', value: 'c' }],
    ['s=~"a|b"', { label: 's', operator: '=~', value: 'a|b' }],
    ['s!~a.*', { label: 's', operator: '!~', value: 'a.*' }],
  ])('%j', (text, matcher) => expect(parseMatcher(text)).toEqual({ ok: true, value: matcher }));

  it.each([
    ['', 'it is empty'],
    ['action', 'it has none of = != =~ !~'],
    ['="unload"', 'a value with " , { } or blanks needs double quotes'],
    ['""="unload"', 'the label name is empty'],
    ['action="unload', 'a closing double quote is missing, or a quote within needs a backslash'],
    ['action=un"load', 'a closing double quote is missing, or a quote within needs a backslash'],
    ['action="a" b', 'a value with " , { } or blanks needs double quotes'],
    ['action=a,b', 'a value with " , { } or blanks needs double quotes'],
    ['{action="unload"}', 'a value with " , { } or blanks needs double quotes'],
    ['a="b",c="d"', 'it holds several: give each its own line'],
    ['a=~"("', "'(' is not a valid regular expression (RE2): missing closing )"],
    ['a=~"(?=b)b"', "'(?=b)b' is not a valid regular expression (RE2): invalid or unsupported Perl syntax"],
    [
      String.raw`a=~"(b)\1"`,
      String.raw`'(b)\1' is not a valid regular expression (RE2): invalid escape sequence`,
    ],
  ])('%j is refused', (text, fault) => expect(parseMatcher(text)).toEqual({ ok: false, fault }));
});

describe('matching', () => {
  it.each(MATCHER_CASES)('%j, %j: %j', (text, labels, does) =>
    expect(matchesLabels(parsed(text), labels)).toBe(does),
  );

  it('is repeatable', () => {
    const matcher = parsed('a=~"b"');
    expect([1, 2, 3].map(() => matchesLabels(matcher, { a: 'b' }))).toEqual([true, true, true]);
  });

  it('takes linear time with a pattern that makes a backtracking engine exponential', () => {
    const labels = { a: 'a'.repeat(10_000) };
    expect(cpuMs(() => expect(matchesLabels(parsed('a=~"(a+)+b"'), labels)).toBe(false))).toBeLessThan(1000);
  });
});

it.each([
  ['a="b"', ['a="b"']],
  ['a="b,c", d=~"e" ,', ['a="b,c"', 'd=~"e"']],
  [String.raw`a="\",",b=c`, [String.raw`a="\","`, 'b=c']],
  ['a="b,c', ['a="b,c']],
  ['', []],
])('%j holds the matchers %j', (text, parts) => expect(splitMatchers(text)).toEqual(parts));

it('formatMatcher gives a text that parses to the same matcher', () => {
  const word = anyText({ minLength: 1 });
  fc.assert(
    fc.property(word, fc.constantFrom('=', '!='), anyText(), (label, operator, value) => {
      const matcher = { label, operator, value };
      expect(parsed(formatMatcher(matcher))).toEqual(matcher);
    }),
    { numRuns: 1000 },
  );
});

it('formatMatcher does so for regular expressions', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', '.', '*', '\\', '"', ',', '|', '\n', 'd', '-') });
  fc.assert(
    fc.property(pattern, (value) => {
      const matcher = parseMatcher(`a=~"${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`);
      if (matcher.ok) expect(parsed(formatMatcher(matcher.value))).toEqual(matcher.value);
      else expect(matcher.fault).toContain('is not a valid regular expression (RE2)');
    }),
    { numRuns: 1000 },
  );
});

it.each([
  ['blanks', `a=${' '.repeat(100_000)}"`],
  ['blanks around the operator', `a${' '.repeat(100_000)}=${' '.repeat(100_000)}b c"`],
  ['escapes without an end', `a="${'\\"'.repeat(50_000)}`],
  ['backslashes', `a=${'\\'.repeat(100_000)},`],
])('parsing takes linear time: %s', (_, text) => {
  const parse = () => {
    expect(parseMatcher(text).ok).toBe(false);
    splitMatchers(text);
  };
  expect(cpuMs(parse)).toBeLessThan(1000);
});

it('parsing never throws', () => {
  fc.assert(fc.property(anyText(), (text) => void [parseMatcher(text), splitMatchers(text)]));
});
