import { expect, it } from '@jest/globals';
import { gateOf, type Hold } from '../../src/hold/hold.ts';
import type { ModelState } from '../../src/models/router-state.ts';
import { aModel } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const CLOCK = createSteppedClock(Date.parse('2026-08-14T13:00:00Z'));
const NOW = CLOCK.now();
const hold: Hold = {
  router: 'gpu-box',
  since: NOW - 1,
  until: NOW + 65 * 60_000,
  reason: 'training',
  by: 'alice',
  enforce: false,
};
const until = (time: number): Hold => ({ ...hold, until: time });
const open = { open: true };
const closed = {
  open: false,
  retryAfterSeconds: 3900,
  why: 'GPU memory of gpu-box is kept free until 14:05 UTC for training (requested by alice)',
};

it.each<[string, Hold | undefined, ModelState | undefined, object]>([
  ['no hold', undefined, undefined, open],
  ['no hold, sleeping model', undefined, aModel({ status: 'sleeping' }), open],
  ['hold that expires now', until(NOW), undefined, open],
  ['held', hold, undefined, closed],
  ['held, loaded model', hold, aModel({ status: 'loaded' }), open],
  ['held, sleeping model', hold, aModel({ status: 'sleeping' }), closed],
  ['held, loading model', hold, aModel({ status: 'loading' }), closed],
  ['held, unloaded model', hold, aModel({ status: 'unloaded' }), closed],
  ['held, downloading model', hold, aModel({ status: 'downloading' }), closed],
  ['held, model with an unknown status', hold, aModel({ status: 'other' }), closed],
])('%s', (_, held, model, gate) => {
  expect(gateOf(held, model, CLOCK)).toEqual(gate);
});

it.each<[number, number]>([
  [1, 1],
  [999, 1],
  [1000, 1],
  [1001, 2],
  [59_999, 60],
])('%d ms before the end, Retry-After is %d s', (left, seconds) => {
  expect(gateOf(until(NOW + left), undefined, CLOCK)).toMatchObject({ retryAfterSeconds: seconds });
});
