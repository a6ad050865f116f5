import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, table } from './support/figures.mjs';
import { readFlags } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { bodyOf, openClient } from './support/keep-alive-client.mjs';
import { startExporter, startModule } from './support/processes.mjs';
import { followStatuses } from './support/router-events.mjs';

export const usage = `latency: from a router's event, as any client of its stream sees it, to the scrape that shows it.
  LLAMA_SERVER_URL      a real router; without it a simulated one is started
  --model NAME          the model to load and unload; else the first that is unloaded
  --transitions 100     how many status changes
  --pause 400           milliseconds between them, on average`;

/** A status that has not shown by then never will. */
const GIVE_UP_MS = 5000;

/** @typedef {{ model: string, status: string, at: number, shown: (milliseconds: number) => void }} Expected */

/** @param {readonly string[]} args */
export async function run(args) {
  const flags = readFlags(args, { model: '', transitions: 100, pause: 400 });
  const given = process.env.LLAMA_SERVER_URL;
  const simulated = given
    ? undefined
    : await startModule('routers.mjs', { routers: 1, models: 10, loadSeconds: 0.2 });
  const url = given?.replace(/\/$/, '') ?? simulated?.ready.urls[0];
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  const startedAt = Date.now();
  try {
    const model = flags.model || (await firstUnloaded(url));
    const client = await openClient(port);
    await untilListed(client, model);
    const before = await listingsOf(client);
    const measuringSince = Date.now();
    const times = await measure(url, client, model, flags.transitions, flags.pause);
    const seconds = (Date.now() - measuringSince) / 1000;
    const listings = (await listingsOf(client)) - before;
    client.close();
    console.log(
      `\n${given ? 'A real llama-server router' : 'A simulated router'}, ${times.length} status changes of one model:\n`,
    );
    const row = [quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)].map((each) =>
      each.toFixed(1),
    );
    console.log(
      table(
        ['median ms', 'p99 ms', 'longest ms', 'seconds', 'listings meanwhile'],
        [[...row, seconds.toFixed(0), listings]],
      ),
    );
    console.log(
      `\nListings since the start, ${((Date.now() - startedAt) / 1000).toFixed(0)} s ago: ${before + listings}.`,
    );
  } finally {
    await exporter.stop();
    await simulated?.stop();
  }
}

/**
 * Loads and unloads the model in turn, and measures each status change of the stream.
 * @param {string} url
 * @param {Client} client
 * @param {string} model
 * @param {number} transitions
 * @param {number} pause
 */
async function measure(url, client, model, transitions, pause) {
  /** @type {number[]} */
  const times = [];
  /** @type {Expected | undefined} */
  let awaited;
  let status = 'unloaded';
  let over = false;
  const stream = await followStatuses(url, ({ model: named, data }) => {
    if (named !== model || data.status === status) return;
    status = data.status;
    const at = performance.now();
    // A status that is over before a scrape could show it is no longer waited for.
    awaited = { model, status, at, shown: (milliseconds) => times.push(milliseconds) };
  });
  const scraping = (async () => {
    while (!over) {
      const wanted = awaited;
      const text = bodyOf(await client.get('identity'));
      if (wanted && wanted === awaited && text.includes(lineOf(wanted))) {
        wanted.shown(performance.now() - wanted.at);
        awaited = undefined;
      } else if (wanted && wanted === awaited && performance.now() - wanted.at > GIVE_UP_MS) {
        throw new Error(`${wanted.model} has not shown as ${wanted.status} within ${GIVE_UP_MS} ms`);
      }
      await sleep(1);
    }
  })();
  const asking = (async () => {
    while (times.length < transitions) {
      await post(`${url}/models/${status === 'unloaded' ? 'load' : 'unload'}`, model);
      await sleep(pause * (0.5 + Math.random()));
    }
    over = true;
  })();
  await Promise.all([scraping, asking]);
  if (status !== 'unloaded') await post(`${url}/models/unload`, model);
  stream.destroy();
  return times.slice(0, transitions);
}

/** @typedef {Awaited<ReturnType<typeof openClient>>} Client */

/** @param {Expected} awaited */
function lineOf({ model, status }) {
  return `model="${model}",status="${status}"} 1\n`;
}

/** @param {string} url */
async function firstUnloaded(url) {
  const { data } = /** @type {any} */ (await (await fetch(`${url}/models`)).json());
  const model = data.find((/** @type {any} */ each) => each.status?.value === 'unloaded');
  if (!model) throw new Error(`${url} has no unloaded model to try: name one with --model`);
  return model.id;
}

/** @param {Client} client @param {string} model */
async function untilListed(client, model) {
  const until = performance.now() + GIVE_UP_MS;
  while (
    !bodyOf(await client.get('identity')).includes(lineOf(/** @type {any} */ ({ model, status: 'unloaded' })))
  ) {
    if (performance.now() > until) throw new Error(`${model} does not show as unloaded`);
    await sleep(50);
  }
}

/** @param {Client} client */
async function listingsOf(client) {
  const text = bodyOf(await client.get('identity'));
  return Number(/^llama_router_poll_duration_seconds_count\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** @param {string} url @param {string} model */
async function post(url, model) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ model }) });
  await response.text();
}
