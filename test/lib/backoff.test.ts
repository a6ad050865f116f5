import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createBackoff } from '../../src/lib/backoff.ts';

const waits = (backoff: { next(): number }, count: number) =>
  Array.from({ length: count }, () => backoff.next());

it('doubles up to the maximum', () => {
  const backoff = createBackoff(500, 30_000, () => 1);
  expect(waits(backoff, 9)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

it('starts again after a reset', () => {
  const backoff = createBackoff(500, 30_000, () => 1);
  waits(backoff, 5);
  backoff.reset();
  expect(waits(backoff, 2)).toEqual([500, 1000]);
});

it('jitter is between half and all of the wait', () => {
  expect(
    waits(
      createBackoff(500, 30_000, () => 0),
      3,
    ),
  ).toEqual([250, 500, 1000]);
  expect(
    waits(
      createBackoff(500, 30_000, () => 0.5),
      3,
    ),
  ).toEqual([375, 750, 1500]);
});

it('stays within its bounds after any number of attempts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 50, max: 10_000 }), fc.integer({ min: 0, max: 2000 }), (min, attempts) => {
      const backoff = createBackoff(min, 10_000);
      waits(backoff, attempts);
      const wait = backoff.next();
      expect(wait).toBeGreaterThanOrEqual(min / 2);
      expect(wait).toBeLessThanOrEqual(10_000);
    }),
  );
});
