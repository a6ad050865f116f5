import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { startModule } from './support/processes.mjs';

export const usage = 'start: time of short commands, compared with an empty Node process.';

export const flags = {
  rounds: flag(11, 'runs of each, in turn'),
  models: flag(6, 'models of the simulated router, in another process'),
  executable: flag('', 'a single executable to measure as well'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const MAIN = fileURLToPath(new URL('../dist/main.mjs', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../config.example.yml', import.meta.url));

/** @param {Flags} flags */
export async function run(flags) {
  const routers = await startModule('routers.mjs', { routers: 1, models: flags.models, loadSeconds: 2 });
  try {
    const words = [
      ['--help'],
      ['--version'],
      ['check-config', EXAMPLE],
      ['list', '--router', routers.ready.urls[0]],
    ];
    /** @type {{ name: string, command: string[], ms: number[] }[]} */
    const contestants = [
      { name: 'node -e 0', command: [process.execPath, '-e', '0'], ms: [] },
      ...words.map((each) => ({ name: each[0], command: [process.execPath, MAIN, ...each], ms: [] })),
    ];
    if (flags.executable !== '') {
      const program = resolve(flags.executable);
      for (const each of words)
        contestants.push({ name: `executable ${each[0]}`, command: [program, ...each], ms: [] });
    }
    for (let round = 0; round < flags.rounds; round += 1) {
      for (const { command, ms } of contestants) ms.push(timeOf(command));
    }
    const empty = median(contestants[0]?.ms ?? []);
    const rows = contestants.map(({ name, ms }) => [
      name,
      median(ms).toFixed(0),
      Math.max(...ms).toFixed(0),
      (median(ms) / empty).toFixed(2),
    ]);
    console.log(`\nNode ${process.versions.node}, ${flags.rounds} rounds:\n`);
    console.log(table(['command', 'median, ms', 'longest, ms', '× node -e 0'], rows));
  } finally {
    await routers.stop();
  }
}

/** @param {readonly string[]} command */
function timeOf([program = '', ...args]) {
  const startedAt = performance.now();
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')} exits with ${status}:\n${stderr}`);
  return performance.now() - startedAt;
}
