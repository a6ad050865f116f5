import { eventToScrape, untilListed } from './support/event-to-scrape.mjs';
import { quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { bodyOf, openClient } from './support/keep-alive-client.mjs';
import { startExporter, startModule } from './support/processes.mjs';
import { givenRouter, listed } from './support/router.mjs';

export const usage = `latency: from a router's event, as any client of its stream sees it, to the scrape that shows it.
LLAMA_SERVER_URL names a real router; without it a simulated one is started.`;

export const flags = {
  model: flag('', 'the model to load and unload; else the first that is unloaded'),
  transitions: flag(100, 'how many status changes'),
  pause: flag(400, 'milliseconds between them, on average'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const given = givenRouter();
  const simulated = given
    ? undefined
    : await startModule('routers.mjs', { routers: 1, models: 10, loadSeconds: 0.2 });
  const url = given ?? simulated?.ready.urls[0];
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  const startedAt = Date.now();
  try {
    const model = flags.model || (await firstUnloaded(url));
    const client = await openClient(port);
    await untilListed(client, url, model);
    const before = await listingsOf(client);
    const measuringSince = Date.now();
    const times = await eventToScrape({ ...flags, url, client, model });
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

/** @param {string} url */
async function firstUnloaded(url) {
  const model = (await listed(url)).find(({ status }) => status.value === 'unloaded');
  if (!model) throw new Error(`${url} has no unloaded model to try: name one with --model`);
  return model.id;
}

/** @param {Awaited<ReturnType<typeof openClient>>} client */
async function listingsOf(client) {
  const text = bodyOf(await client.get('identity'));
  return Number(/^llama_router_poll_duration_seconds_count\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}
