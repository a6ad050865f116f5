import { setTimeout as sleep } from 'node:timers/promises';
import { followStatuses } from './support/events.mjs';
import { table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter } from './support/processes.mjs';
import { firstModels, realRouter, tokenize } from './support/router.mjs';

export const usage = `evictions: two clients alternate between two models of a real router that keeps one; how many evicted models
are killed instead of stopping by themselves, without and with an exporter, in turn.
LLAMA_SERVER_URL names that router, which was started with --models-max 1 --metrics.`;

export const flags = {
  models: flag('', 'two small models, as in a,b; else the first two that it lists'),
  pairs: flag(20, 'alternations in a round'),
  rounds: flag(3, 'rounds of each'),
  gap: flag(30, 'milliseconds between the requests of a pair'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** A request that takes this long waited for a process to be killed: the stop timeout of the router is 10 s. */
const SLOW_MS = 5000;

/** @param {Flags} flags */
export async function run(flags) {
  const url = realRouter();
  const models = flags.models ? flags.models.split(',') : await firstModels(url, 2);
  const sides = ['without', 'with'].map((exporter) => ({
    exporter,
    evictions: 0,
    killed: 0,
    slow: 0,
    longest: 0,
  }));
  for (let round = 0; round < flags.rounds; round += 1) {
    for (const side of sides) {
      const exporter = side.exporter === 'with' ? await startFollowing(url) : undefined;
      await alternate(url, models, flags, side);
      await exporter?.stop();
    }
  }
  const rows = sides.map(({ exporter, evictions, killed, slow, longest }) => [
    exporter,
    evictions,
    killed,
    slow,
    (longest / 1000).toFixed(1),
  ]);
  console.log(`\n${flags.rounds} rounds of ${flags.pairs} alternations:\n`);
  console.log(table(['exporter', 'evictions', 'killed', 'requests over 5 s', 'longest s'], rows));
}

/** @param {string} url */
async function startFollowing(url) {
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  await sleep(2000);
  return exporter;
}

/**
 * @param {string} url
 * @param {readonly string[]} models
 * @param {{ pairs: number, gap: number }} flags
 * @param {{ evictions: number, killed: number, slow: number, longest: number }} side
 */
async function alternate(url, models, { pairs, gap }, side) {
  const stream = await followStatuses(url, ({ data }) => {
    if (data.status !== 'unloaded') return;
    side.evictions += 1;
    if (data.exit_code !== 0) side.killed += 1;
  });
  for (let pair = 0; pair < pairs; pair += 1) {
    const requests = models.map(async (model, at) => {
      await sleep(at * gap);
      const startedAt = performance.now();
      await tokenize(url, model);
      return performance.now() - startedAt;
    });
    for (const took of await Promise.all(requests)) {
      if (took > SLOW_MS) side.slow += 1;
      side.longest = Math.max(side.longest, took);
    }
  }
  stream.destroy();
}
