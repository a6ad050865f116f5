import { describe, expect, it } from '@jest/globals';
import { type IdleRule, idleTooLong } from '../../src/idle/candidates.ts';
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

const due = (rules: IdleRule[], keep: string[], ...models: ReturnType<typeof aModel>[]) =>
  idleTooLong({ models: new Map(models.map((model) => [model.id, model])) }, rules, keep, NOW).flatMap(
    ({ rule, models: ids }) => ids.map((id) => `${id} after ${rule.afterMs / MINUTE}m`),
  );

describe('a model is due', () => {
  const all: IdleRule = { models: [], afterMs: 30 * MINUTE };
  const embeddings: IdleRule = { models: ['bge-*', 'embed'], afterMs: 120 * MINUTE };

  it.each<[string, IdleRule[], string[], ReturnType<typeof aModel>, string[]]>([
    ['when it served nothing for so long', [all], [], awake('a', 30 * MINUTE), ['a after 30m']],
    ['and not a moment earlier', [all], [], awake('a', 30 * MINUTE - 1), []],
    ['when it has slept for so long', [all], [], asleep('a', 31 * MINUTE), ['a after 30m']],
    ['never while it is busy', [all], [], busy('a'), []],
    ['never while nobody knows', [all], [], aModel({ id: 'a', status: 'loaded' }), []],
    ['never while it is loading', [all], [], aModel({ id: 'a', status: 'loading', since: 0 }), []],
    ['never when it is not in memory', [all], [], aModel({ id: 'a', status: 'unloaded', since: 0 }), []],
    ['never when it is to be kept', [all], ['a'], awake('a', 99 * MINUTE), []],
    ['never by a rule for others', [embeddings], [], awake('a', 999 * MINUTE), []],
    ['by the first rule that matches', [embeddings, all], [], awake('bge-small', 60 * MINUTE), []],
    ['by the rule for the others', [embeddings, all], [], awake('a', 60 * MINUTE), ['a after 30m']],
    ['never without a rule', [], [], awake('a', 999 * MINUTE), []],
  ])('%s', (_, rules, keep, model, expected) => expect(due(rules, keep, model)).toEqual(expected));

  it('together with the others of its rule', () =>
    expect(
      due(
        [embeddings, all],
        [],
        awake('a', 40 * MINUTE),
        awake('embed', 130 * MINUTE),
        asleep('b', 50 * MINUTE),
      ),
    ).toEqual(['a after 30m', 'b after 30m', 'embed after 120m']));
});
