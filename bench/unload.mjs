import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isReady, posted, textOf, until } from './support/ask.mjs';
import { followStatuses } from './support/events.mjs';
import { quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter } from './support/processes.mjs';
import { firstModels, loadAll, realRouter, untilAll } from './support/router.mjs';

export const usage = `unload: time until all idle models of a real router are gone, compared with a curl and jq loop.
LLAMA_SERVER_URL names the router, whose --models-max must allow as many models; curl and jq are needed.`;

export const flags = {
  models: flag(4, 'how many models'),
  match: flag('', 'only models with this in their name'),
  rounds: flag(9, 'how often each way is measured, in turn'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/**
 * A simple script: list, then unload one after the other, without checking for busy models or waiting until they are gone.
 */
const LOOP = `
for model in $(curl -s "$0/models" | jq -r '.data[] | select(.status.value == "loaded") | .id'); do
  curl -s -X POST "$0/models/unload" -H 'Content-Type: application/json' -d "{\\"model\\":\\"$model\\"}" >/dev/null
done`;

/** @param {Flags} flags */
export async function run(flags) {
  const url = realRouter();
  const models = await firstModels(url, flags.models, flags.match);
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  const unloadAll = `http://127.0.0.1:${port}/api/v1/unload-all`;
  const unload = async (/** @type {object} */ terms = {}) => void (await textOf(unloadAll, posted(terms)));
  /** @type {Record<string, () => Promise<void>>} */
  const ways = {
    'curl + jq loop': () => shell(LOOP, url),
    'exporter, by curl': () => shell('curl -s --fail -X POST "$0" >/dev/null', unloadAll),
    exporter: () => unload(),
    'exporter, forced': () => unload({ when_busy: 'force' }),
  };
  /** @type {Record<string, { answered: number[], gone: number[] }>} */
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, { answered: [], gone: [] }]));
  try {
    await until('the exporter to be ready', () => isReady(port));
    await unload(); // Models left by the previous run.
    for (let round = 0; round < flags.rounds; round += 1) {
      for (const [way, go] of Object.entries(ways)) {
        await loadAll(url, models);
        const gone = await watchGone(url, models);
        const startedAt = performance.now();
        await go();
        times[way]?.answered.push(performance.now() - startedAt);
        times[way]?.gone.push((await gone()) - startedAt);
        await untilAll(url, models, 'unloaded');
      }
    }
  } finally {
    await exporter.stop();
  }
  const loop = quantile(times['curl + jq loop']?.gone ?? [], 0.5);
  console.log(`\n${flags.models} idle models of a real router, median of ${flags.rounds} rounds in turn:\n`);
  console.log(
    table(
      ['', 'answered ms', 'all gone ms', '× loop'],
      Object.entries(times).map(([way, { answered, gone }]) => [
        way,
        quantile(answered, 0.5).toFixed(1),
        quantile(gone, 0.5).toFixed(1),
        (Math.max(quantile(answered, 0.5), quantile(gone, 0.5)) / loop).toFixed(2),
      ]),
    ),
  );
}

/** @param {string} script @param {string} argument */
async function shell(script, argument) {
  const [code] = await once(spawn('sh', ['-c', script, argument], { stdio: 'inherit' }), 'exit');
  if (code !== 0) throw new Error(`the shell ended with ${code}`);
}

/**
 * When the router's stream has reported the end of each: repeated listings would slow it down.
 * @param {string} url @param {readonly string[]} models
 */
async function watchGone(url, models) {
  const left = new Set(models);
  let goneAt = 0;
  const stream = await followStatuses(url, ({ model, data }) => {
    if (data.status === 'unloaded' && left.delete(model) && left.size === 0) goneAt = performance.now();
  });
  return async () => {
    await until(`the end of ${models.join(', ')} in the router's stream`, () => goneAt);
    stream.destroy();
    return goneAt;
  };
}
