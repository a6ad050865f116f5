import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { editDistance, nearest } from '../../src/lib/nearest.ts';

it.each([
  ['kitten', 'sitting', 3],
  ['', 'abc', 3],
  ['same', 'same', 0],
  ['lisitng', 'listing', 1],
  ['ab', 'ba', 1],
])('from %j to %j it is %d edits', (from, to, distance) => expect(editDistance(from, to)).toBe(distance));

it('is the same distance back', () => {
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => editDistance(a, b) === editDistance(b, a)));
});

it('is never longer than the longer word and zero only for the same', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const distance = editDistance(a, b);
      return distance <= Math.max(a.length, b.length) && (distance === 0) === (a === b);
    }),
  );
});

it('suggests what was most likely meant, the first of equals, nothing rather than anything', () => {
  const keys = ['name', 'url', 'api_key', 'api_key_file'];
  const words = ['nam', 'uri', 'apikey', 'api-key', 'api_key_fil', 'password', ''];
  expect(words.map((word) => nearest(word, keys))).toEqual([
    'name',
    'url',
    'api_key',
    'api_key',
    'api_key_file',
    undefined,
    undefined,
  ]);
  expect(nearest('warning', ['debug', 'info', 'warn', 'error'])).toBe('warn');
  expect(nearest('reconnect_mix', ['reconnect_min', 'reconnect_max'])).toBe('reconnect_min');
});

it('suggests nothing for a very long word, without comparing it', () => {
  const long = 'x'.repeat(50_000);
  const startedAt = performance.now();
  expect(
    nearest(
      long,
      Array.from({ length: 100 }, (_, i) => `${long}${i}`),
    ),
  ).toBeUndefined();
  expect(performance.now() - startedAt).toBeLessThan(1000);
});
