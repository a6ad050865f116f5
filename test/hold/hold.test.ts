import { describe, expect, it } from '@jest/globals';
import { describeEnd, describeHold, type Hold, isOver, placed } from '../../src/hold/hold.ts';

const NOW = Date.parse('2026-08-14T13:00:00Z');
const MINUTE = 60_000;

/** A hold of ten minutes that alice placed a minute ago, but for what is said. */
const aHold = (given: Partial<Hold> = {}): Hold => ({
  router: 'gpu-box',
  since: NOW - MINUTE,
  until: NOW + 9 * MINUTE,
  reason: 'training',
  by: 'alice',
  enforce: false,
  ...given,
});

const wish = (by: string, minutes: number, enforce = false) => ({
  ...{ router: 'gpu-box', until: NOW + minutes * MINUTE, reason: `${by}'s`, by, enforce },
});

describe('placing a hold', () => {
  it.each<[string, Hold | undefined]>([
    ['none', undefined],
    ['one that is over', aHold({ until: NOW })],
  ])('where there was %s begins now', (_, standing) => {
    expect(placed(standing, wish('bob', 5), false, NOW)).toEqual({ ...wish('bob', 5), since: NOW });
  });

  it.each<[string, ReturnType<typeof wish>, boolean, boolean]>([
    ['somebody else, for longer', wish('bob', 20), true, false],
    ['somebody else, for longer, after an unload', wish('bob', 20), false, false],
    ['the same one, for longer', wish('alice', 20), true, false],
    ['the same one, for longer, after an unload', wish('alice', 20), false, false],
    ['the same one, for less time', wish('alice', 1), true, false],
    ['somebody else, for longer, with enforcement', wish('bob', 20, true), false, true],
  ])('%s: replaces it, and keeps its beginning', (_, wanted, explicit, enforce) => {
    expect(placed(aHold(), wanted, explicit, NOW)).toEqual({ ...wanted, since: NOW - MINUTE, enforce });
  });

  it.each<[string, ReturnType<typeof wish>, boolean]>([
    ['somebody else, for less time', wish('bob', 1), true],
    ['somebody else, for less time, with enforcement', wish('bob', 1, true), true],
    ['somebody else, for the same time', wish('bob', 9), true],
    ['the same one, for less time, after an unload', wish('alice', 1), false],
  ])('%s: changes nothing', (_, wanted, explicit) => {
    const standing = aHold();
    expect(placed(standing, wanted, explicit, NOW)).toBe(standing);
  });

  it.each<[string, ReturnType<typeof wish>, boolean, boolean]>([
    ['stays when somebody else makes it longer', wish('bob', 20), true, true],
    ['stays when an unload makes it longer', wish('alice', 20), false, true],
    ['goes when the one who asked for it says so', wish('alice', 20), true, false],
  ])('its enforcement %s', (_, wanted, explicit, enforce) => {
    expect(placed(aHold({ enforce: true }), wanted, explicit, NOW).enforce).toBe(enforce);
  });
});

it('is over at its end, and not a millisecond before', () => {
  expect([NOW - 1, NOW, NOW + 1].map((now) => isOver(aHold({ until: NOW }), now))).toEqual([
    false,
    true,
    true,
  ]);
});

it.each<[string, string]>([
  ['2026-08-14T14:05:00Z', '14:05 UTC'],
  ['2026-08-14T14:05:00.001Z', '14:06 UTC'],
  ['2026-08-14T23:59:59Z', '2026-08-15 00:00 UTC'],
  ['2026-08-15T09:00:00Z', '2026-08-15 09:00 UTC'],
])('the end %s is told as %s', (until, told) => {
  expect(describeEnd(aHold({ until: Date.parse(until) }), NOW)).toBe(told);
});

it('is told in a sentence, with and without a reason', () => {
  expect(describeHold(aHold(), NOW)).toBe('kept free until 13:09 UTC for training (asked by alice)');
  expect(describeHold(aHold({ reason: '' }), NOW)).toBe('kept free until 13:09 UTC (asked by alice)');
});
