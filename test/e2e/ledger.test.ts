import { expect, it } from '@jest/globals';
import { runBench } from '../support/bench.ts';

/** Fewer transitions than `npm run bench -- ledger` has, with the same faults. */
const FLAGS = ['--routers=20', '--transitions=8000', '--kill=4'];

it('counts every transition that it could see, once and with its reason, and never more than happened', async () => {
  const { code, out, err } = await runBench('ledger', FLAGS);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('Every counter keeps its promise.');
  expect(Number(/^(\d+) transitions/m.exec(out)?.[1])).toBeGreaterThanOrEqual(8000);
});
