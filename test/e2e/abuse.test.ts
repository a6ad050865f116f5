import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { beforeAll, expect, it } from '@jest/globals';

/** The short form of `npm run bench -- abuse`: fewer requests and connections, at a pace for a busy machine. */

beforeAll(() => {
  if (!existsSync('.build/simulator')) run('npm', ['run', 'build:modules']);
});

function run(command: string, args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

it.each([
  ['scrapes and notifications', ['--part=load', '--seconds=10', '--scrapes=40', '--notifications=10']],
  ['strange requests', ['--part=fuzz', '--requests=100000']],
  ['slow clients', ['--part=slow', '--connections=2000', '--hold=10']],
])(
  '%s break no promise',
  (_, flags) => {
    const { status, output } = run(process.execPath, ['bench/run.mjs', 'abuse', ...flags]);
    expect(status === 0 ? '' : output).toBe('');
  },
  900_000,
);
