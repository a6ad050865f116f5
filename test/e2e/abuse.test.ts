import { expect, it } from '@jest/globals';
import { runBench } from '../support/bench.ts';

/** The short form of `npm run bench -- abuse`: fewer requests and connections, at a pace for a busy machine. */
it.each([
  ['scrapes and notifications', ['--part=load', '--seconds=10', '--scrapes=40', '--notifications=10']],
  ['strange requests', ['--part=fuzz', '--requests=100000']],
  ['slow clients', ['--part=slow', '--connections=2000', '--hold=10']],
])(
  '%s break no promise',
  async (_, flags) => {
    const { code, out, err } = await runBench('abuse', flags);
    expect(code === 0 ? '' : `${out}${err}`).toBe('');
  },
  900_000,
);
