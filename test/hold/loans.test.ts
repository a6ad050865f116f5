import { expect, it } from '@jest/globals';
import { type Loan, objectionToRestore } from '../../src/hold/loans.ts';

import type { Lifecycle, ModelState } from '../../src/models/router-state.ts';

const HOLD = '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';

/** A model that was unloaded by a hold as process 40001, with 6 GB. */
const LOAN: Loan = { router: 'gpu-box', model: 'qwen', hold: HOLD, instance: 40_001, bytes: 6e9 };

it.each<[string, Partial<Lifecycle> | undefined, { models?: number; bytes?: number }, string | undefined]>([
  ['is still unloaded', { status: 'unloaded', instance: 40_001 }, {}, undefined],
  ['was not loaded since the router was restarted', { status: 'unloaded', instance: 0 }, {}, undefined],
  ['is unloaded, and its last process is unknown', { status: 'unloaded' }, {}, undefined],
  ['fits exactly', { status: 'unloaded' }, { models: 1, bytes: 6e9 }, undefined],
  [
    'has had another process',
    { status: 'unloaded', instance: 40_002 },
    {},
    'it was loaded and unloaded meanwhile',
  ],
  ['is loaded', { status: 'loaded' }, {}, 'it was loaded meanwhile'],
  ['is loading', { status: 'loading' }, {}, 'it was loaded meanwhile'],
  ['is asleep', { status: 'sleeping' }, {}, 'it was loaded meanwhile'],
  ['is downloading', { status: 'downloading' }, {}, 'it is downloading'],
  ['is gone', undefined, {}, 'the router does not list it any more'],
  ['would evict', { status: 'unloaded' }, { models: 0 }, 'the router has no place for it (--models-max)'],
  ['does not fit', { status: 'unloaded' }, { bytes: 6e9 - 1 }, 'there is not enough free GPU memory for it'],
])('a model that %s', (_, lifecycle, room, objection) => {
  const model = lifecycle && ({ id: 'qwen', aliases: [], lifecycle } as unknown as ModelState);
  expect(objectionToRestore(LOAN, model, room)).toBe(objection);
});
