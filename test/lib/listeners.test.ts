import { expect, it } from '@jest/globals';
import { createListeners } from '../../src/lib/listeners.ts';

it('each listener is told, in the order in which they came, until it goes', () => {
  const { add, tell } = createListeners<number>();
  const told: string[] = [];
  const goAway = add((value) => told.push(`first ${value}`));
  add((value) => told.push(`second ${value}`));
  tell(1);
  goAway();
  goAway();
  tell(2);
  expect(told).toEqual(['first 1', 'second 1', 'second 2']);
});

it('one that goes while it is told leaves the others theirs', () => {
  const { add, tell } = createListeners<number>();
  const told: string[] = [];
  const goAway = add(() => {
    told.push('once');
    goAway();
  });
  add(() => told.push('always'));
  tell(1);
  tell(2);
  expect(told).toEqual(['once', 'always', 'always']);
});

it('what one of them throws is not hidden', () => {
  const { add, tell } = createListeners<number>();
  add(() => {
    throw new Error('ours');
  });
  expect(() => tell(1)).toThrow('ours');
});
