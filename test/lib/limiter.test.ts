import { expect, it } from '@jest/globals';
import { createLimiter, createTokenBucket } from '../../src/lib/limiter.ts';

let now = 0;
const aLimiter = (keys = 100) => createLimiter({ most: 3, spanMs: 1000, keys, now: () => now });

it('a key with too many events waits until the window of its first event ends', () => {
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

it('forgets the least recently counted key when there are too many', () => {
  const limiter = aLimiter(2);
  for (const key of ['a', 'b', 'a', 'b', 'b', 'a', 'c']) limiter.count(key);
  expect(['a', 'b', 'c'].map((key) => limiter.waitMs(key) > 0)).toEqual([true, false, false]);
});

const rate = { intervalMs: 100, burst: 2 };

it('a token bucket allows a burst, then one event per interval, and saves up at most a burst', () => {
  const bucket = createTokenBucket(() => now);
  const takeAt = (at: number) => {
    now = at;
    return bucket.take({ ...rate });
  };
  expect([0, 0, 0, 50, 100, 100, 150, 200].map(takeAt)).toEqual([
    ...[true, true, false, false, true, false, false, true],
  ]);
  expect([10_000, 10_000, 10_000].map(takeAt)).toEqual([true, true, false]);
});

it('a token bucket is full again after the rate changes', () => {
  const bucket = createTokenBucket(() => 1000);
  const slow = { ...rate, burst: 1 };
  expect([bucket.take(slow), bucket.take(slow), bucket.take(rate)]).toEqual([true, false, true]);
});
