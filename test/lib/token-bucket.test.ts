import { expect, it } from '@jest/globals';
import { createTokenBucket } from '../../src/lib/token-bucket.ts';

const flow = { intervalMs: 100, burst: 2 };

it('gives a burst, then one an interval, and saves up no more than a burst', () => {
  let now = 0;
  const bucket = createTokenBucket(() => now);
  const takeAt = (at: number) => {
    now = at;
    return bucket.take({ ...flow });
  };
  expect([0, 0, 0, 50, 100, 100, 150, 200].map(takeAt)).toEqual([
    ...[true, true, false, false, true, false, false, true],
  ]);
  expect([10_000, 10_000, 10_000].map(takeAt)).toEqual([true, true, false]);
});

it('begins anew with another flow, and holds when the clock is set back', () => {
  let now = 1000;
  const bucket = createTokenBucket(() => now);
  expect([bucket.take({ ...flow, burst: 1 }), bucket.take({ ...flow, burst: 1 })]).toEqual([true, false]);
  expect(bucket.take(flow)).toBe(true);
  now = 0;
  expect([bucket.take(flow), bucket.take(flow)]).toEqual([true, false]);
});
