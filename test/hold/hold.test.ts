import { expect, it } from '@jest/globals';
import { describeEnd, describeHold, type Hold, isStanding, lastToEnd } from '../../src/hold/hold.ts';
import { aHold } from '../support/a-hold.ts';

const NOW = Date.parse('2026-08-14T13:00:00Z');
const MINUTE = 60_000;

it.each<[Hold['state'], number, boolean]>([
  ['preparing', 1, true],
  ['active', 1, true],
  ['active', 0, false],
  ['active', -1, false],
  ['failed', 1, false],
  ['ended', 1, false],
])('a hold that is %s and ends in %d ms stands: %s', (state, left, stands) => {
  expect(isStanding(aHold(NOW + left, { state }), NOW)).toBe(stands);
});

it.each<[string, string]>([
  ['2026-08-14T14:05:00Z', '14:05 UTC'],
  ['2026-08-14T14:05:00.001Z', '14:06 UTC'],
  ['2026-08-14T23:59:59Z', '2026-08-15 00:00 UTC'],
  ['2026-08-15T09:00:00Z', '2026-08-15 09:00 UTC'],
])('the end %s is shown as %s', (until, text) => {
  expect(describeEnd(aHold(Date.parse(until)), NOW)).toBe(text);
});

it('the reason is left out of the description when it is empty', () => {
  const until = NOW + 9 * MINUTE;
  expect(describeHold(aHold(until), NOW)).toBe('kept free until 13:09 UTC for training (requested by alice)');
  expect(describeHold(aHold(until, { reason: '', holder: 'nightly' }), NOW)).toBe(
    'kept free until 13:09 UTC (requested by nightly)',
  );
});

it('the last of several holds decides when a router is free again', () => {
  const [early, late] = [aHold(NOW + 1), aHold(NOW + 2)];
  expect([lastToEnd([]), lastToEnd([late, early]), lastToEnd([early, late])]).toEqual([
    undefined,
    late,
    late,
  ]);
});
