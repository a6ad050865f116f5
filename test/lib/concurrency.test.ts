import { expect, it } from '@jest/globals';
import { createMutex } from '../../src/lib/concurrency.ts';

it('runs one piece of work at a time, in order, also after one that failed', async () => {
  const inTurn = createMutex(10_000);
  const seen: string[] = [];
  const work = (name: string) => async () => {
    seen.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => inTurn(work(name))));
  expect(results).toEqual([
    { status: 'fulfilled', value: 'a' },
    { status: 'rejected', reason: new Error('b failed') },
    { status: 'fulfilled', value: 'c' },
  ]);
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

it('does not wait for ever for one that hangs', async () => {
  const inTurn = createMutex(20);
  void inTurn(() => new Promise(() => {}));
  expect(await Promise.all([inTurn(async () => 'b'), inTurn(async () => 'c')])).toEqual(['b', 'c']);
});
