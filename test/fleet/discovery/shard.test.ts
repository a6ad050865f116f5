import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isInShard, shardOf } from '../../../src/fleet/discovery/shard.ts';
import { routersOf } from '../../../src/fleet/discovery/targets.ts';
import { aGroup } from '../../support/a-group.ts';

const follow = (shard: number, total_shards: number) =>
  ({ shard, total_shards }) as Parameters<typeof isInShard>[1];

// The results of Prometheus: relabel_test.go, and test/e2e/shards.test.ts for any names.
it.each([
  ['baz', 1000, 976],
  ['foo\nbar', 1000, 734],
])('the shard of %j of %i is that of hashmod', (name, total, shard) => {
  expect(shardOf(name, total)).toBe(shard);
});

it('without shards every router is followed', () => {
  expect(isInShard('any', follow(0, 1))).toBe(true);
});

it('any names, also of the same server, are in exactly one shard, and all shards together are the whole', () => {
  const target = fc.record({
    name: fc.string({ minLength: 1 }),
    url: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  });
  fc.assert(
    fc.property(fc.array(target), fc.integer({ min: 1, max: 5 }), (found, total) => {
      const targets = found.map(({ name, url }) => ({ name, url: `http://${url}`, labels: {} }));
      const discovered = [{ group: aGroup({}), targets }];
      const whole = routersOf([], discovered);
      const shards = Array.from({ length: total }, (_, shard) =>
        routersOf([], discovered, (name) => isInShard(name, follow(shard, total))),
      );
      const sorted = (names: string[]) => names.sort();
      expect(sorted(shards.flatMap(({ routers }) => routers.map(({ name }) => name)))).toEqual(
        sorted(whole.routers.map(({ name }) => name)),
      );
      expect(sorted(shards.flatMap(({ ignored }) => ignored.map((each) => each.target)))).toEqual(
        sorted(whole.ignored.map((each) => each.target)),
      );
    }),
    { numRuns: 100 },
  );
});
