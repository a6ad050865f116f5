import { expect, it } from '@jest/globals';
import { weighedGroups } from '../../src/lib/weighed-groups.ts';

it.each([
  ['of nothing', [], []],
  ['that are full', [2, 1, 3, 3], [[2, 1], [3], [3]]],
  ['of which the last is lighter', [3, 1, 1], [[3], [1, 1]]],
  ['of which one is heavier', [1, 9, 1], [[1, 9], [1]]],
  ['with items of no weight', [0, 3, 0], [[0, 3], [0]]],
])('groups %s', (_, items, groups) => {
  expect(weighedGroups(items, (item) => item, 3)).toEqual(groups);
});
