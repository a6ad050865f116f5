import { expect, it } from '@jest/globals';
import { gateOf } from '../../src/hold/gate.ts';
import type { Hold } from '../../src/hold/hold.ts';
import type { ModelState } from '../../src/models/router-state.ts';
import { aModel } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const CLOCK = createSteppedClock(Date.parse('2026-08-14T13:00:00Z'));
const NOW = CLOCK.now();
const hold: Hold = {
  ...{ router: 'gpu-box', since: NOW - 1, until: NOW + 65 * 60_000 },
  ...{ reason: 'training', by: 'alice', enforce: false },
};
const until = (time: number): Hold => ({ ...hold, until: time });
const open = { open: true };
const closed = {
  open: false,
  retryAfterSeconds: 3900,
  why: 'GPU memory of gpu-box is kept free until 14:05 UTC for training (asked by alice)',
};

it.each<[string, Hold | undefined, ModelState | undefined, object]>([
  ['nothing is held', undefined, undefined, open],
  ['nothing is held, for a model', undefined, aModel({ status: 'sleeping' }), open],
  ['the hold is over', until(NOW), undefined, open],
  ['the hold has been over for long', until(0), undefined, open],
  ['it is held', hold, undefined, closed],
  ['it is held, and the model is in memory anyway', hold, aModel({ status: 'loaded' }), open],
  ['it is held, and the model sleeps: waking takes memory', hold, aModel({ status: 'sleeping' }), closed],
  ['it is held, and the model is being loaded', hold, aModel({ status: 'loading' }), closed],
  ['it is held, and the model is on disk', hold, aModel({ status: 'unloaded' }), closed],
  ['it is held, and the model is being fetched', hold, aModel({ status: 'downloading' }), closed],
  ['it is held, and nobody knows what the model does', hold, aModel({ status: 'other' }), closed],
])('%s', (_, held, model, gate) => {
  expect(gateOf(held, model, CLOCK)).toEqual(gate);
});

it.each<[number, number]>([
  [1, 1],
  [999, 1],
  [1000, 1],
  [1001, 2],
  [59_999, 60],
])('%d ms before the end, who asks may come again in %d s', (left, seconds) => {
  expect(gateOf(until(NOW + left), undefined, CLOCK)).toMatchObject({ retryAfterSeconds: seconds });
});
