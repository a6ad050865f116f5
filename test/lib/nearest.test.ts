import { expect, it } from '@jest/globals';
import { nearest } from '../../src/lib/nearest.ts';
import { cpuMs } from '../support/cpu-time.ts';

it.each([
  ['nam', 'name'],
  ['uri', 'url'],
  ['apikey', 'api_key'],
  ['api-key', 'api_key'],
  ['api_key_fil', 'api_key_file'],
  ['api_kye_file', 'api_key_file'],
  ['password', undefined],
  ['', undefined],
])('%j means %j', (word, meant) => {
  expect(nearest(word, ['name', 'url', 'api_key', 'api_key_file'])).toBe(meant);
});

it('prefers the fewest edits, and the first of equals', () => {
  expect(nearest('warning', ['debug', 'info', 'warn', 'error'])).toBe('warn');
  expect(nearest('reconnect_mix', ['reconnect_min', 'reconnect_max'])).toBe('reconnect_min');
});

it('suggests nothing for a very long word, without comparing it', () => {
  const long = 'x'.repeat(50_000);
  const words = Array.from({ length: 100 }, (_, i) => `${long}${i}`);
  expect(cpuMs(() => expect(nearest(long, words)).toBeUndefined())).toBeLessThan(1000);
});
