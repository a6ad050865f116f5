import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, table } from './support/figures.mjs';
import { readFlags } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter } from './support/processes.mjs';

export const usage = `unload: time until all idle models of a real router are gone, compared with a curl and jq loop.
  LLAMA_SERVER_URL   the router, with curl and jq on this machine; --models-max must allow as many
  --models 4         how many models
  --match tiny       only models with this in their name
  --rounds 9         how often each way is measured, in turn`;

/**
 * A simple script: list, then unload one after the other, without checking for busy models or waiting until they are gone.
 */
const LOOP = `
for model in $(curl -s "$0/models" | jq -r '.data[] | select(.status.value == "loaded") | .id'); do
  curl -s -X POST "$0/models/unload" -H 'Content-Type: application/json' -d "{\\"model\\":\\"$model\\"}" >/dev/null
done`;

const GIVE_UP_MS = 30_000;

/** @param {readonly string[]} args */
export async function run(args) {
  const flags = readFlags(args, { models: 4, match: '', rounds: 9 });
  const url = process.env.LLAMA_SERVER_URL?.replace(/\/$/, '');
  if (!url) throw new Error('LLAMA_SERVER_URL must name a real router');
  const named = (await listed(url)).map(({ id }) => id).filter((id) => id.includes(flags.match));
  const models = named.slice(0, flags.models);
  if (models.length < flags.models) throw new Error(`${url} has fewer than ${flags.models} models`);
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  const unloadAll = `http://127.0.0.1:${port}/api/v1/unload-all`;
  /** @type {Record<string, () => Promise<void>>} */
  const ways = {
    'curl + jq loop': () => shell(LOOP, url),
    'exporter, by curl': () => shell('curl -s --fail -X POST "$0" >/dev/null', unloadAll),
    exporter: () => post(unloadAll),
    'exporter, forced': () => post(unloadAll, { when_busy: 'force' }),
  };
  /** @type {Record<string, { answered: number[], gone: number[] }>} */
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, { answered: [], gone: [] }]));
  try {
    while (!(await fetch(`http://127.0.0.1:${port}/-/ready`)).ok) await sleep(20);
    await post(unloadAll); // Models left by the previous run.
    for (let round = 0; round < flags.rounds; round += 1) {
      for (const [way, go] of Object.entries(ways)) {
        await loadAll(url, models);
        const watch = await watchGone(url, models);
        const startedAt = performance.now();
        const gone = watch.gone.then(() => performance.now() - startedAt);
        await go();
        times[way]?.answered.push(performance.now() - startedAt);
        times[way]?.gone.push(await gone);
        await until(url, models, 'unloaded', 20);
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

/** @param {string} url @param {object} [body] */
async function post(url, body) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body ?? {}) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`);
}

/** @param {string} url */
async function listed(url) {
  const answer = await fetch(`${url}/models`);
  const { data } = /** @type {any} */ (await answer.json());
  return /** @type {{ id: string, status: { value: string } }[]} */ (data);
}

/** @param {string} url @param {readonly string[]} models */
async function loadAll(url, models) {
  for (const model of models) await post(`${url}/models/load`, { model });
  await until(url, models, 'loaded', 20);
  // A process that has just become ready may miss an order to exit.
  await sleep(500);
}

/**
 * Resolves when the router's stream has reported the end of each: repeated listings would slow it down.
 * @param {string} url @param {readonly string[]} models
 */
async function watchGone(url, models) {
  const left = new Set(models);
  const watching = new AbortController();
  const answer = await fetch(`${url}/models/sse`, { signal: watching.signal });
  const gone = (async () => {
    let text = '';
    for await (const chunk of /** @type {any} */ (answer.body)) {
      const lines = (text + Buffer.from(chunk)).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines.filter((each) => each.startsWith('data: '))) {
        const { model, data } = JSON.parse(line.slice(6));
        if (data?.status === 'unloaded') left.delete(model);
      }
      if (left.size === 0) break;
    }
    watching.abort();
  })();
  return { gone };
}

/** @param {string} url @param {readonly string[]} models @param {string} status @param {number} everyMs */
async function until(url, models, status, everyMs) {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  for (;;) {
    const all = await listed(url);
    if (models.every((model) => all.find(({ id }) => id === model)?.status.value === status)) return;
    if (performance.now() > giveUpAt) throw new Error(`the models are not ${status} after 30 s`);
    await sleep(everyMs);
  }
}
