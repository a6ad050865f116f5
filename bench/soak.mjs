import { spawn } from 'node:child_process';
import { flag } from './support/flags.mjs';

export const usage = `soak: a real llama-server with models asleep, unloaded, idle and generating, scraped every second; none may be
loaded, woken or kept awake by us, and none be asked that is not loaded (read from the router's own log). Installs what
it needs, as npm run test:e2e does: it is a test of that suite, for longer.`;

export const flags = {
  seconds: flag(600, 'how long, at least 10'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} given */
export async function run({ seconds }) {
  const test = ['tools/jest.mjs', '--config', 'jest.e2e.config.js', 'test/e2e/engine.test.ts'];
  const jest = spawn(process.execPath, [...test, '--testNamePattern', 'soak'], {
    stdio: 'inherit',
    env: { ...process.env, SOAK_SECONDS: String(seconds) },
  });
  process.exitCode = await new Promise((resolve) => jest.once('close', resolve));
}
