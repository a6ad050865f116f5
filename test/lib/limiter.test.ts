import { expect, it } from '@jest/globals';
import { createLimiter } from '../../src/lib/limiter.ts';

let now = 0;
const aLimiter = (keys = 100) => createLimiter({ most: 3, spanMs: 1000, keys, now: () => now });

it('lets a key wait when it has had too much, until the span that began with the first is over', () => {
  const limiter = aLimiter();
  now = 0;
  limiter.count('a');
  now = 300;
  limiter.count('a');
  expect(limiter.waitMs('a')).toBe(0);
  limiter.count('a');
  expect([limiter.waitMs('a'), limiter.waitMs('b')]).toEqual([700, 0]);
  now = 999;
  limiter.count('a');
  expect(limiter.waitMs('a')).toBe(1);
  now = 1000;
  expect(limiter.waitMs('a')).toBe(0);
  limiter.count('a');
  expect(limiter.waitMs('a')).toBe(0);
});

it('forgets the key longest unheard of when there are too many', () => {
  const limiter = aLimiter(2);
  for (const key of ['a', 'b', 'a', 'b', 'b', 'a', 'c']) limiter.count(key);
  expect(['a', 'b', 'c'].map((key) => limiter.waitMs(key) > 0)).toEqual([true, false, false]);
});

it('locks nobody out when the clock is set back', () => {
  const limiter = aLimiter();
  now = 1_000_000;
  for (let i = 0; i < 3; i++) limiter.count('a');
  now = 0;
  expect(limiter.waitMs('a')).toBe(0);
});
