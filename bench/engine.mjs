import { setTimeout as sleep } from 'node:timers/promises';
import { median, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { bodyOf, openClient } from './support/keep-alive-client.mjs';
import { startExporter, startModule } from './support/processes.mjs';

export const usage =
  "engine: what the models' own metrics add to a scrape, and what one hanging model does to it.";

export const flags = {
  models: flag(20, 'loaded models, each in use and read every second'),
  rounds: flag(300, 'turns of each contestant'),
  turn: flag(10, 'scrapes in one turn, 10 ms apart'),
  warmup: flag(20, 'rounds that are not counted'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const healthy = await startModule('contestants/loaded-router.mjs', {
    models: flags.models,
    hanging: false,
  });
  const hanging = await startModule('contestants/loaded-router.mjs', { models: flags.models, hanging: true });
  const exporters = await Promise.all([
    follow(healthy.ready.url, 'off'),
    follow(healthy.ready.url, 'together'),
    follow(hanging.ready.url, 'together'),
  ]);
  await sleep(6000); // Every model has been read, and the hanging model has timed out once.
  const texts = await Promise.all(exporters.map(({ port }) => textOf(port)));
  const ready = await Promise.all(
    texts.slice(0, 2).map((text) => startModule('contestants/ready-string.mjs', { text, bytes: true })),
  );
  const ports = [...exporters.map(({ port }) => port), ...ready.map((server) => server.ready.port)];
  const names = ['without', 'with', 'with, one hangs', 'bytes of without', 'bytes of with'];
  const results = await Promise.all(
    ports.map(async (port, at) => ({
      name: names[at] ?? '',
      client: await openClient(port),
      times: /** @type {number[]} */ ([]),
      bytes: 0,
    })),
  );
  for (let round = -flags.warmup; round < flags.rounds; round += 1) {
    for (const each of results) {
      for (let scrape = 0; scrape < flags.turn; scrape += 1) {
        const answer = await each.client.get('identity');
        if (round >= 0) each.times.push(answer.milliseconds);
        each.bytes = answer.bytes;
      }
    }
    await sleep(10);
  }
  for (const { client } of results) client.close();
  await Promise.all([...exporters, ...ready, healthy, hanging].map((server) => server.stop()));
  report(flags, results);
}

/**
 * @param {{ models: number, rounds: number, turn: number }} flags
 * @param {readonly { name: string, times: number[], bytes: number }[]} results
 */
function report({ models, rounds, turn }, results) {
  const rows = results.map(({ name, times, bytes }) => [
    name,
    bytes,
    median(times).toFixed(3),
    quantile(times, 0.99).toFixed(3),
  ]);
  console.log(`\n${models} loaded models, ${rounds * turn} scrapes each, in turns, milliseconds:\n`);
  console.log(table(["the models' own metrics", 'bytes', 'p50', 'p99'], rows));
  const [without, with_, hangs, readyWithout, readyWith] = results.map(({ times }) => times);
  const p50 = (/** @type {number[] | undefined} */ times) => median(times ?? []);
  const allowed = p50(without) + Math.max(0, p50(readyWith) - p50(readyWithout));
  const p99 = (/** @type {number[] | undefined} */ times) => quantile(times ?? [], 0.99);
  console.log(`\np50 with ÷ (p50 without + the bytes they add): ${(p50(with_) / allowed).toFixed(2)}`);
  console.log(`p99 with one hanging ÷ p99 with: ${(p99(hangs) / p99(with_)).toFixed(2)}`);
}

/**
 * @param {string} url
 * @param {string} publish
 */
async function follow(url, publish) {
  const port = await freePort();
  const exporter = await startExporter([
    `--router=${url}`,
    `--web.listen-address=127.0.0.1:${port}`,
    `--engine.publish=${publish}`,
    '--engine.interval=1s',
  ]);
  return { ...exporter, port };
}

/** @param {number} port */
async function textOf(port) {
  const client = await openClient(port);
  const text = bodyOf(await client.get('identity'));
  client.close();
  return text;
}
