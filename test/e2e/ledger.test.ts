import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** Fewer transitions than `npm run bench -- ledger` has, with the same faults. */
const FLAGS = ['--routers', '20', '--transitions', '8000', '--kill', '4'];

beforeAll(async () => {
  if (existsSync(join(ROOT, '.build', 'src', 'service.js'))) return;
  await run('npm', ['run', '--silent', 'build:modules'], { cwd: ROOT });
});

it('counts every transition that it could see, once and with its reason, and never more than happened', async () => {
  const { stdout, stderr } = await run(process.execPath, ['bench/run.mjs', 'ledger', ...FLAGS], {
    cwd: ROOT,
  });
  expect(stderr).toBe('');
  expect(stdout).toContain('Every counter keeps its promise.');
  expect(Number(/^(\d+) transitions/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(8000);
});
