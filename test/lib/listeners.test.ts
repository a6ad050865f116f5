import { expect, it } from '@jest/globals';
import { createListeners } from '../../src/lib/listeners.ts';

it('calls the listeners in order, until each is removed', () => {
  const { add, notify } = createListeners<number>();
  const calls: string[] = [];
  const remove = add((value) => calls.push(`first ${value}`));
  add((value) => calls.push(`second ${value}`));
  notify(1);
  remove();
  remove();
  notify(2);
  expect(calls).toEqual(['first 1', 'second 1', 'second 2']);
});

it('a listener may remove itself while it is called', () => {
  const { add, notify } = createListeners<number>();
  const calls: string[] = [];
  const remove = add(() => {
    calls.push('once');
    remove();
  });
  add(() => calls.push('always'));
  notify(1);
  notify(2);
  expect(calls).toEqual(['once', 'always', 'always']);
});
