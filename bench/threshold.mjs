import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';

export const usage = `threshold: from a full GPU to freed memory, through real Prometheus and Alertmanager with the shipped files, but
intervals of 1 s and "for" of 2 s; three idle models of a real llama-server, and a busy one that stays. Installs what it
needs, as npm run test:e2e does: it is a test of that suite, which notes the times.`;

export const flags = {
  rounds: flag(3, 'how often, with two versions of Prometheus and Alertmanager each'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const STEPS = [
  'read, scraped, evaluated, and the "for": the alert fires',
  'Alertmanager notifies: the unload starts',
  'the models are gone, and memory is read again',
];

/** @param {Flags} given */
export async function run({ rounds }) {
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-threshold-'));
  const file = join(folder, 'times');
  const test = ['tools/jest.mjs', '--config', 'jest.e2e.config.js', 'test/e2e/chain.test.ts'];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const jest = spawn(
        process.execPath,
        [...test, '--testNamePattern', 'notifies the exporter|leaves the busy one'],
        {
          stdio: ['ignore', 'ignore', 'inherit'],
          env: { ...process.env, CHAIN_TIMES: file },
        },
      );
      const [code] = await once(jest, 'close');
      if (code !== 0) throw new Error(`the test failed: node ${test.join(' ')}`);
    }
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    /** @type {number[][]} */
    const all = lines.map((line) => JSON.parse(line));
    const rows = STEPS.map((step, at) => [step, ...shown(all.map((steps) => steps[at] ?? Number.NaN))]);
    const total = ['all', ...shown(all.map((steps) => steps.reduce((sum, each) => sum + each, 0)))];
    console.log(`\n${all.length} times, seconds:\n`);
    console.log(table(['step', 'median', 'shortest', 'longest'], [...rows, total]));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @param {readonly number[]} seconds */
function shown(seconds) {
  return [median(seconds), Math.min(...seconds), Math.max(...seconds)].map((each) => each.toFixed(2));
}
