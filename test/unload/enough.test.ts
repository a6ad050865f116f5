import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Candidate, chooseEnough } from '../../src/unload/enough.ts';

const HOUR = 3_600_000;
const c = (id: string, bytes?: number, idleMs?: number, loadSeconds?: number): Candidate => ({
  id,
  ...(bytes !== undefined && { bytes }),
  ...(idleMs !== undefined && { idleMs }),
  ...(loadSeconds !== undefined && { loadSeconds }),
});

it.each<[string, Candidate[], number, string[]]>([
  ['the longest idle first', [c('new', 5, HOUR), c('old', 5, 9 * HOUR)], 4, ['old']],
  [
    'idle for about as long: the fastest to load first',
    [c('slow', 5, 90_000, 30), c('fast', 5, 80_000, 2)],
    4,
    ['fast'],
  ],
  ['an unknown load time counts as long', [c('unseen', 5, 90_000), c('seen', 5, 80_000, 60)], 4, ['seen']],
  ['a busy model last', [c('busy', 50), c('idle', 5, 1000)], 5, ['idle']],
  [
    'a busy model when the idle ones are not enough',
    [c('busy', 50), c('idle', 5, 1000)],
    6,
    ['idle', 'busy'],
  ],
  ['a model of unknown size late', [c('unknown', undefined, 9 * HOUR), c('known', 5, HOUR)], 5, ['known']],
  [
    'not a small model that a large one makes superfluous',
    [c('small', 1, 9 * HOUR), c('large', 9, HOUR)],
    5,
    ['large'],
  ],
  ['no more than exactly enough', [c('a', 5, 9 * HOUR), c('b', 5, HOUR)], 5, ['a']],
  ['all when they are not enough', [c('a', 5, 9 * HOUR), c('b', 5, HOUR)], 50, ['a', 'b']],
  ['none when nothing is missing', [c('a', 5, HOUR)], 0, []],
  ['none without candidates', [], 5, []],
  ['of equal models, the first by name', [c('b', 5, 7, 7), c('a', 5, 7, 7)], 5, ['a']],
])('%s', (_, candidates, needed, chosen) => expect(chooseEnough(candidates, needed)).toEqual(chosen));

it('chooses enough if possible, nothing superfluous, and the same in any order of the models', () => {
  const candidate = fc.record(
    { id: fc.uuid(), bytes: fc.nat(100), idleMs: fc.nat(HOUR), loadSeconds: fc.nat(60) },
    { requiredKeys: ['id'] },
  );
  const candidates = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 8 });
  fc.assert(
    fc.property(candidates, fc.nat(400), fc.infiniteStream(fc.nat()), (all, needed, random) => {
      const chosen = chooseEnough(all, needed);
      const bytesOf = (ids: readonly string[]) =>
        all.filter(({ id }) => ids.includes(id)).reduce((sum, { bytes = 0 }) => sum + bytes, 0);
      const possible = bytesOf(all.map(({ id }) => id));
      if (possible < needed) expect(chosen.toSorted()).toEqual(all.map(({ id }) => id).toSorted());
      else {
        expect(bytesOf(chosen)).toBeGreaterThanOrEqual(needed);
        const busy = all.filter(({ id, idleMs }) => idleMs === undefined && chosen.includes(id));
        const sparable = busy.length > 0 ? busy.map(({ id }) => id) : chosen;
        for (const id of sparable) {
          expect(bytesOf(chosen.filter((other) => other !== id))).toBeLessThan(needed);
        }
      }
      const keyed = all.map((each) => [random.next().value, each] as const);
      expect(
        chooseEnough(
          keyed.toSorted(([a], [b]) => a - b).map(([, each]) => each),
          needed,
        ),
      ).toEqual(chosen);
    }),
  );
});
