import { expect, it } from '@jest/globals';
import { createListeners } from '../../src/lib/listeners.ts';

it('calls the listeners in order, until each is removed', () => {
  const { add, tell } = createListeners<number>();
  const calls: string[] = [];
  const remove = add((value) => calls.push(`first ${value}`));
  add((value) => calls.push(`second ${value}`));
  tell(1);
  remove();
  remove();
  tell(2);
  expect(calls).toEqual(['first 1', 'second 1', 'second 2']);
});

it('a listener may remove itself while it is called', () => {
  const { add, tell } = createListeners<number>();
  const calls: string[] = [];
  const remove = add(() => {
    calls.push('once');
    remove();
  });
  add(() => calls.push('always'));
  tell(1);
  tell(2);
  expect(calls).toEqual(['once', 'always', 'always']);
});
