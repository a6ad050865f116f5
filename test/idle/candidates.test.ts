import { expect, it } from '@jest/globals';
import { findCandidates, type IdleRule } from '../../src/idle/scheduler.ts';
import { aModel } from '../support/a-model.ts';

const NOW = 10_000_000;
const MINUTE = 60_000;

const awake = (id: string, idleMs: number) => ({
  ...aModel({ id, status: 'loaded' }),
  activity: { busy: false, work: 1, watchedAt: 0, lastAt: NOW - idleMs },
});
const asleep = (id: string, idleMs: number) => aModel({ id, status: 'sleeping', since: NOW - idleMs });
const busy = (id: string) => ({
  ...aModel({ id, status: 'loaded' }),
  activity: { busy: true, work: 1, watchedAt: 0, lastAt: NOW },
});

const candidates = (rules: IdleRule[], keep: string[], ...models: ReturnType<typeof aModel>[]) =>
  findCandidates({ models: new Map(models.map((model) => [model.id, model])) }, rules, keep, NOW).flatMap(
    ({ rule, models: ids }) => ids.map((id) => `${id} after ${rule.after / 60}m`),
  );

const all: IdleRule = { models: [], after: 30 * 60 };
const embeddings: IdleRule = { models: ['bge-*', 'embed'], after: 120 * 60 };

it.each<[string, IdleRule[], string[], ReturnType<typeof aModel>, string[]]>([
  ['idle for the time of the rule', [all], [], awake('a', 30 * MINUTE), ['a after 30m']],
  ['idle for a millisecond less', [all], [], awake('a', 30 * MINUTE - 1), []],
  ['asleep for the time of the rule', [all], [], asleep('a', 31 * MINUTE), ['a after 30m']],
  ['busy', [all], [], busy('a'), []],
  ['loaded, activity unknown', [all], [], aModel({ id: 'a', status: 'loaded' }), []],
  ['loading', [all], [], aModel({ id: 'a', status: 'loading', since: 0 }), []],
  ['unloaded', [all], [], aModel({ id: 'a', status: 'unloaded', since: 0 }), []],
  ['kept', [all], ['a'], awake('a', 99 * MINUTE), []],
  ['not matched by the rule', [embeddings], [], awake('a', 999 * MINUTE), []],
  ['matched by two rules: the first applies', [embeddings, all], [], awake('bge-small', 60 * MINUTE), []],
  ['matched by the second rule', [embeddings, all], [], awake('a', 60 * MINUTE), ['a after 30m']],
  ['without rules', [], [], awake('a', 999 * MINUTE), []],
])('a model that is %s', (_, rules, keep, model, expected) =>
  expect(candidates(rules, keep, model)).toEqual(expected),
);

it('the models of a rule are unloaded together', () => {
  const models = [awake('a', 40 * MINUTE), awake('embed', 130 * MINUTE), asleep('b', 50 * MINUTE)];
  expect(candidates([embeddings, all], [], ...models)).toEqual([
    'a after 30m',
    'b after 30m',
    'embed after 120m',
  ]);
});
