import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/lib/duration.ts';

describe('parsing', () => {
  it.each([
    ['30s', 30],
    ['500ms', 0.5],
    ['1001ms', 1.001],
    ['1h30m', 5400],
    ['1.5h', 5400],
    ['1w1d1h1m1s1ms', 694_861.001],
    [' 2m ', 120],
    ['0', 0],
    ['0s', 0],
  ])('%j is %d seconds', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  it.each([
    '',
    ' ',
    '30',
    '-5s',
    '5 s',
    's',
    '1x',
    '30m1h',
    '1m1m',
    '1e3s',
    '.5s',
    '1.s',
    '5S',
    'Infinity',
    '30s!',
  ])('%j is not a duration', (text) => expect(parseDuration(text)).toBeUndefined());

  it('adds up the units', () => {
    const amount = fc.nat({ max: 9999 });
    fc.assert(
      fc.property(fc.tuple(amount, amount, amount, amount, amount, amount), ([w, d, h, m, s, ms]) => {
        const milliseconds = ((((w * 7 + d) * 24 + h) * 60 + m) * 60 + s) * 1000 + ms;
        expect(parseDuration(`${w}w${d}d${h}h${m}m${s}s${ms}ms`)).toBe(milliseconds / 1000);
      }),
    );
  });
});

describe('formatting', () => {
  it.each([
    [0, '0ms'],
    [0.35, '350ms'],
    [0.9996, '1s'],
    [4.2, '4.2s'],
    [59.96, '1m'],
    [125, '2m5s'],
    [3599.7, '1h'],
    [3659, '1h'],
    [11_400, '3h10m'],
    [187_200, '2d4h'],
  ])('%d seconds are %j', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('parses back to the same time, up to rounding', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e8, noNaN: true }), (seconds) => {
        const back = parseDuration(formatDuration(seconds)) ?? Number.NaN;
        // Half a millisecond, a twentieth of a second, half a second, a minute, an hour.
        const rounding =
          seconds < 1 ? 0.0005 : seconds < 60 ? 0.05 : seconds < 3600 ? 0.5 : seconds < 86_400 ? 60 : 3600;
        expect(Math.abs(back - seconds)).toBeLessThanOrEqual(rounding * 1.0001);
      }),
    );
  });

  it('formatting is stable', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (seconds) => {
        const once = formatDuration(seconds);
        expect(formatDuration(parseDuration(once) ?? Number.NaN)).toBe(once);
      }),
    );
  });
});
