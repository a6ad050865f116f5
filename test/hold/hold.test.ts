import { describe, expect, it } from '@jest/globals';
import {
  describeEnd,
  describeHold,
  type Hold,
  type HoldRequest,
  isExpired,
  placed,
} from '../../src/hold/hold.ts';

const NOW = Date.parse('2026-08-14T13:00:00Z');
const MINUTE = 60_000;

/** A hold of ten minutes that alice placed a minute ago. */
const aHold = (given: Partial<Hold> = {}): Hold => ({
  router: 'gpu-box',
  since: NOW - MINUTE,
  until: NOW + 9 * MINUTE,
  reason: 'training',
  by: 'alice',
  enforce: false,
  ...given,
});

const request = (by: string, minutes: number, enforce = false): HoldRequest => ({
  router: 'gpu-box',
  until: NOW + minutes * MINUTE,
  reason: `job of ${by}`,
  by,
  enforce,
});

describe('a request for a hold', () => {
  it.each<[string, Hold | undefined]>([
    ['without a hold', undefined],
    ['after an expired hold', aHold({ until: NOW })],
  ])('%s starts one now', (_, current) => {
    expect(placed(current, request('bob', 5), false, NOW)).toEqual({ ...request('bob', 5), since: NOW });
  });

  it.each<[string, HoldRequest, boolean, boolean]>([
    ['of another caller, for longer', request('bob', 20), true, false],
    ['of another caller, for longer, by an unload', request('bob', 20), false, false],
    ['of the same caller, for longer', request('alice', 20), true, false],
    ['of the same caller, for longer, by an unload', request('alice', 20), false, false],
    ['of the same caller, for less time', request('alice', 1), true, false],
    ['of another caller, for longer, with enforcement', request('bob', 20, true), false, true],
  ])('%s replaces the hold and keeps its start', (_, wanted, explicit, enforce) => {
    expect(placed(aHold(), wanted, explicit, NOW)).toEqual({ ...wanted, since: NOW - MINUTE, enforce });
  });

  it.each<[string, HoldRequest, boolean]>([
    ['of another caller, for less time', request('bob', 1), true],
    ['of another caller, for less time, with enforcement', request('bob', 1, true), true],
    ['of another caller, for the same time', request('bob', 9), true],
    ['of the same caller, for less time, by an unload', request('alice', 1), false],
  ])('%s changes nothing', (_, wanted, explicit) => {
    const current = aHold();
    expect(placed(current, wanted, explicit, NOW)).toBe(current);
  });

  it.each<[string, HoldRequest, boolean, boolean]>([
    ['of another caller, for longer, keeps', request('bob', 20), true, true],
    ['by an unload, for longer, keeps', request('alice', 20), false, true],
    ['of the same caller ends', request('alice', 20), true, false],
  ])('%s enforcement', (_, wanted, explicit, enforce) => {
    expect(placed(aHold({ enforce: true }), wanted, explicit, NOW).enforce).toBe(enforce);
  });
});

it('expires at its end, not a millisecond earlier', () => {
  const expired = [NOW - 1, NOW, NOW + 1].map((now) => isExpired(aHold({ until: NOW }), now));
  expect(expired).toEqual([false, true, true]);
});

it.each<[string, string]>([
  ['2026-08-14T14:05:00Z', '14:05 UTC'],
  ['2026-08-14T14:05:00.001Z', '14:06 UTC'],
  ['2026-08-14T23:59:59Z', '2026-08-15 00:00 UTC'],
  ['2026-08-15T09:00:00Z', '2026-08-15 09:00 UTC'],
])('the end %s is shown as %s', (until, text) => {
  expect(describeEnd(aHold({ until: Date.parse(until) }), NOW)).toBe(text);
});

it('the reason is left out of the description when it is empty', () => {
  expect(describeHold(aHold(), NOW)).toBe('kept free until 13:09 UTC for training (requested by alice)');
  expect(describeHold(aHold({ reason: '' }), NOW)).toBe('kept free until 13:09 UTC (requested by alice)');
});
