import { expect, it } from '@jest/globals';
import { gateOf, type Hold } from '../../src/hold/hold.ts';
import type { ModelState } from '../../src/models/router-state.ts';
import { aHold } from '../support/a-hold.ts';
import { aModel } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const CLOCK = createSteppedClock(Date.parse('2026-08-14T13:00:00Z'));
const NOW = CLOCK.now();
const held = [aHold(NOW + 65 * 60_000)];
const open = undefined;
const closed = {
  reason: 'held',
  detail: 'GPU memory of gpu-box is kept free until 14:05 UTC for training (requested by alice)',
  retry_after_seconds: 3900,
};

it.each<[string, Hold[], ModelState | undefined, object | undefined]>([
  ['no hold', [], undefined, open],
  ['no hold, sleeping model', [], aModel({ status: 'sleeping' }), open],
  ['held', held, undefined, closed],
  ['held twice', [aHold(NOW + 1), ...held, aHold(NOW + 2)], undefined, closed],
  ['held, loaded model', held, aModel({ status: 'loaded' }), open],
  ['held, sleeping model', held, aModel({ status: 'sleeping' }), closed],
  ['held, loading model', held, aModel({ status: 'loading' }), closed],
  ['held, unloaded model', held, aModel({ status: 'unloaded' }), closed],
  ['held, downloading model', held, aModel({ status: 'downloading' }), closed],
  ['held, model with an unknown status', held, aModel({ status: 'other' }), closed],
])('%s', (_, holds, model, gate) => {
  expect(gateOf('gpu-box', holds, model, CLOCK)).toEqual(gate);
});

it.each<[number, number]>([
  [1, 1],
  [999, 1],
  [1000, 1],
  [1001, 2],
  [59_999, 60],
])('%d ms before the end, Retry-After is %d s', (left, seconds) => {
  expect(gateOf('gpu-box', [aHold(NOW + left)], undefined, CLOCK)).toMatchObject({
    retry_after_seconds: seconds,
  });
});
