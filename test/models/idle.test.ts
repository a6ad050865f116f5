import { expect, it } from '@jest/globals';
import { idleSince, type ModelState } from '../../src/models/router-state.ts';
import { aModel } from '../support/a-model.ts';

const SECOND = 1000;
const idle = { busy: false, work: 1, watchedAt: 10 * SECOND };

it.each<[string, ModelState, number | undefined]>([
  ['that was never read: unknown', aModel({ status: 'loaded', since: 0 }), undefined],
  ['that is busy: not', { ...aModel({ status: 'loaded' }), activity: { ...idle, busy: true } }, undefined],
  ['that loads: not', aModel({ status: 'loading' }), undefined],
  ['that is not in memory: not', aModel(), undefined],
  ['without observed work: since the first reading', { ...aModel({ status: 'loaded' }), activity: idle }, 10],
  [
    'with work: since then',
    { ...aModel({ status: 'loaded' }), activity: { ...idle, lastAt: 15 * SECOND } },
    15,
  ],
  ['that fell asleep: since then', aModel({ status: 'sleeping', since: 40 * SECOND }), 40],
  [
    'that fell asleep and was never read: for the time of its idle timer before that',
    { ...aModel({ status: 'sleeping', since: 40 * SECOND }), sleepIdleSeconds: 20 },
    20,
  ],
  [
    'that was read and fell asleep: the same, more exact than a reading',
    {
      ...aModel({ status: 'sleeping', since: 40 * SECOND }),
      sleepIdleSeconds: 20,
      activity: { ...idle, lastAt: 30 * SECOND },
    },
    20,
  ],
  [
    'that was asleep at the first observation',
    { ...aModel({ status: 'sleeping' }), firstSeenAt: 40 * SECOND, sleepIdleSeconds: 30 },
    10,
  ],
])('a model is idle %s', (_, model, seconds) => {
  const since = idleSince(model);
  expect(since === undefined ? undefined : since / SECOND).toBe(seconds);
});
