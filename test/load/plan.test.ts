import { expect, it } from '@jest/globals';
import { decideLoad, type LoadDecision } from '../../src/load/plan.ts';
import type { Status } from '../../src/models/feed.ts';
import type { RouterState } from '../../src/models/router-state.ts';
import { createStore } from '../../src/models/store.ts';
import { aModel } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

type Model = [id: string, status: Status, idleSince?: number | 'busy'];

function aRouter(models: readonly Model[], more: Partial<RouterState> = {}): RouterState {
  const state = createStore(createSteppedClock(), { reloadWindowMs: 0 }).add('box', 'http://box');
  for (const [id, status, idle] of models) {
    const activity = idle !== undefined && { busy: idle === 'busy', watchedAt: Number(idle) || 0, work: 1 };
    state.models.set(id, { ...aModel({ id, status }), activity: activity || undefined });
  }
  return Object.assign(state, { up: true, props: { modelsMax: 2 }, buildClass: 'reads_exempt' }, more);
}

const evicts = (model: string, isCertain: boolean): LoadDecision => ({
  kind: 'load',
  evicts: { model, isCertain },
});

const ON_A_ROUTER: [string, readonly Model[], LoadDecision, Partial<RouterState>?][] = [
  ['with a free place, it is loaded', [['a', 'loaded', 5]], { kind: 'load' }],
  [
    'without limit, it is loaded',
    [
      ['a', 'loaded'],
      ['b', 'loaded'],
    ],
    { kind: 'load' },
    { props: { modelsMax: 0 } },
  ],
  [
    'the least recently used goes',
    [
      ['a', 'loaded', 9],
      ['b', 'loaded', 5],
    ],
    evicts('b', true),
  ],
  [
    'unknown idle times make it probable',
    [
      ['a', 'loaded', 9],
      ['b', 'loaded'],
    ],
    evicts('b', false),
  ],
  [
    'a busy model stays',
    [
      ['a', 'loaded', 9],
      ['b', 'loaded', 'busy'],
    ],
    evicts('a', true),
  ],
  [
    'on a build that may interrupt a busy model, it waits',
    [
      ['a', 'loaded', 9],
      ['b', 'loaded', 'busy'],
    ],
    { kind: 'wait', why: 'the router is full (--models-max 2), and may evict b, which is generating' },
    { buildClass: 'reads_restart_timers' },
  ],
  [
    'where all are busy or loading, it waits',
    [
      ['a', 'loading'],
      ['b', 'loaded', 'busy'],
    ],
    { kind: 'wait', why: 'the router is full (--models-max 2), and every model on it is busy or loading' },
  ],
];

it.each(ON_A_ROUTER.map(([...row]) => ({ title: row[0], row })))('$title', ({ row }) => {
  const [, models, decision, more] = row;
  expect(decideLoad(aRouter([...models, ['new', 'unloaded']], more), 'new')).toEqual(decision);
});

it.each<[Status, LoadDecision]>([
  ['loaded', { result: 'already_loaded' }],
  ['loading', { kind: 'under_way' }],
  ['downloading', { result: 'failed', detail: 'it is still downloading' }],
])('a model that is %s', (status, decision) => {
  expect(decideLoad(aRouter([['new', status]]), 'new')).toEqual(decision);
});
