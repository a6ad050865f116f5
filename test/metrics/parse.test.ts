import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { render } from '../../src/metrics/exposition.ts';
import { parseExposition } from '../../src/metrics/parse.ts';
import { cpuMs } from '../support/cpu-time.ts';

const recorded = (name: string) =>
  readFileSync(new URL(`../fixtures/router/${name}`, import.meta.url), 'utf8');

describe('parseExposition', () => {
  it.each(['metrics-loaded-busy.prom', 'metrics-loaded-idle.prom', 'metrics-sleeping.prom'])(
    'parses %s so that rendering gives the same text',
    (name) => {
      const text = recorded(name);
      const parsed = parseExposition(text);
      expect(parsed.ok && render(parsed.value, 'text').join('')).toBe(text);
    },
  );

  it('keeps escaped labels and the rows of a histogram together', () => {
    const text = [
      '# HELP h With \\\\ and \\n in it',
      '# TYPE h histogram',
      'h_bucket{le="1",path="a\\"b\\\\c"} 2',
      'h_bucket{le="+Inf",path="a\\"b\\\\c"} 3',
      'h_sum 4.5',
      'h_count 3',
      '# TYPE plain untyped',
      'plain{x="1"} NaN',
      'plain{x="2"} +Inf',
      '',
    ].join('\n');
    const parsed = parseExposition(text);
    expect(parsed.ok && render(parsed.value, 'text').join('')).toBe(text);
  });

  it('reads infinities and numbers that are none in the spellings of llama-server and Prometheus', () => {
    const written = ['inf', '-inf', '+Inf', 'Infinity', '-INFINITY', 'nan', '-nan', 'NaN', '1E3'];
    const parsed = parseExposition(written.map((value, index) => `a{i="${index}"} ${value}\n`).join(''));
    const values = parsed.ok && parsed.value[0]?.rows.map(({ value }) => value);
    const [plus, minus] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect(values).toEqual([plus, minus, plus, plus, minus, Number.NaN, Number.NaN, Number.NaN, 1000]);
  });

  it('drops timestamps, spaces and comments', () => {
    const parsed = parseExposition('# by hand\na{ x = "1" , } 2.50 1700000000000');
    expect(parsed.ok && render(parsed.value, 'text').join('')).toBe('# TYPE a untyped\na{x="1"} 2.5\n');
  });

  it.each([
    ['an error page', '<html>', 'line 1: not a sample: <html>'],
    ['a JSON error', '{"error":{"code":500}}', 'line 1: not a sample: {"error":{"code":500}}'],
    ['a value that is not a number', 'a 1\nb one', 'line 2: not a sample: b one'],
    ['a label without quotes', 'a{b=c} 1', 'line 1: not a sample: a{b=c} 1'],
    ['a label twice', 'a{b="1",b="2"} 1', 'line 1: not a sample: a{b="1",b="2"} 1'],
    ['a truncated line', 'a{b="1', 'line 1: not a sample: a{b="1'],
    ['a series twice', 'a{b="1",c="2"} 1\na{c="2",b="1"} 2', 'line 2: duplicate series: a{c="2",b="1"} 2'],
    [
      'a family in two places',
      '# TYPE a gauge\na 1\nb 2\n# TYPE a gauge\na 3',
      'line 4: a family in two places: # TYPE a gauge',
    ],
    [
      'an unknown type',
      '# TYPE a number',
      'line 1: unknown type, or a type after its samples: # TYPE a number',
    ],
    ['a carriage return', '# TYPE a gauge\r\na 1\r\n', 'line 1: invalid HELP or TYPE: # TYPE a gauge\r'],
  ])('rejects %s', (_, text, fault) => {
    expect(parseExposition(text)).toEqual({ ok: false, fault });
  });

  it('never throws, for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({ unit: fc.constantFrom('a', '{', '}', '"', '=', ',', ' ', '1', '\n', '#', '\\') }),
        ),
        (text) => {
          expect(typeof parseExposition(text).ok).toBe('boolean');
        },
      ),
    );
  });

  it('takes linear time for hostile text', () => {
    const hostile = `a{${'b="1",'.repeat(20_000)}`;
    const parse = () => {
      parseExposition(hostile);
      parseExposition(`a{${'\\"'.repeat(100_000)}} 1`);
    };
    expect(cpuMs(parse)).toBeLessThan(2000);
  });
});
