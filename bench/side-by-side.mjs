import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { seriesIn, textOf, until } from './support/ask.mjs';
import { statusLine } from './support/event-to-scrape.mjs';
import { followStatuses } from './support/events.mjs';
import { median, megabytes, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { bodyOf, openClient } from './support/keep-alive-client.mjs';
import { nodeExporter } from './support/node-exporter.mjs';
import { startExporter, startModule, usageOf } from './support/processes.mjs';
import { order } from './support/router.mjs';

export const usage =
  'side-by-side: compared with a poller and with node_exporter. Linux only; see also scrape and unload.';

export const flags = {
  seconds: flag(120, 'how long models are loaded and unloaded at random'),
  models: flag(10, 'models of the simulated router'),
  stay: flag(30, 'seconds for which a model stays in memory or out of it at most'),
  poll: flag(15, 'seconds between two listings of the poller'),
  rounds: flag(5, 'starts of each exporter, in turn'),
  settle: flag(3, 'seconds between a start and the first scrape that counts'),
  scrapes: flag(50, 'scrapes of each after a start'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const routers = await startModule('routers.mjs', { routers: 1, models: flags.models, loadSeconds: 2 });
  const [url] = routers.ready.urls;
  try {
    await compareEvents(url, flags);
    await compareCosts(url, flags);
  } finally {
    await routers.stop();
  }
}

/** @typedef {{ name: string, client: Awaited<ReturnType<typeof openClient>>, times: number[], last: string }} Watcher */

/** @param {string} url @param {Flags} flags */
async function compareEvents(url, { seconds, models, stay, poll }) {
  const port = await freePort();
  const exporter = await startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]);
  const poller = await startModule('contestants/poller.mjs', { url, everyMs: poll * 1000 });
  /** @type {Watcher[]} */
  const watchers = [
    { name: 'exporter', client: await openClient(port), times: [], last: '' },
    { name: `poller, every ${poll} s`, client: await openClient(poller.ready.port), times: [], last: '' },
  ];
  /** The last change of each model, and who has shown it. @type {Map<string, { status: string, at: number, shown: Set<Watcher> }>} */
  const changes = new Map();
  const count = { changes: 0, loads: 0 };
  await sleep(2000);
  const stream = await followStatuses(url, ({ model, data: { status } }) => {
    if (changes.get(model)?.status === status) return;
    changes.set(model, { status, at: performance.now(), shown: new Set() });
    count.changes += 1;
    if (status === 'loaded') count.loads += 1;
  });
  let over = false;
  const living = Array.from({ length: models }, (_, model) =>
    live(url, `qwen2.5-7b-instruct-q4_k_m-${model}`, 1000 * stay, () => over),
  );
  const scraping = watchers.map(async (watcher) => {
    while (!over) {
      watcher.last = bodyOf(await watcher.client.get('identity'));
      for (const [model, { status, at, shown }] of changes) {
        if (shown.has(watcher) || !watcher.last.includes(statusLine(url, model, status))) continue;
        shown.add(watcher);
        watcher.times.push(performance.now() - at);
      }
      await sleep(20);
    }
  });
  await sleep(seconds * 1000);
  over = true;
  await Promise.all([...living, ...scraping]);
  const rows = watchers.map(({ name, times, last }) => [
    name,
    (median(times) / 1000).toFixed(3),
    (quantile(times, 0.99) / 1000).toFixed(3),
    count.changes - times.length,
    loadsIn(last),
  ]);
  console.log(
    `\n${count.changes} status changes and ${count.loads} loads of ${models} models in ${seconds} s:\n`,
  );
  console.log(
    table(['', 'event to metric, median s', 'p99 s', 'changes never shown', 'loads counted'], rows),
  );
  for (const { client } of watchers) client.close();
  stream.destroy();
  await exporter.stop();
  await poller.stop();
}

/** @param {string} url @param {string} model @param {number} stayMs @param {() => boolean} isOver */
async function live(url, model, stayMs, isOver) {
  for (let turn = 0; ; turn += 1) {
    for (
      const until = performance.now() + Math.random() * stayMs;
      performance.now() < until;
      await sleep(100)
    ) {
      if (isOver()) return;
    }
    await order(url, turn % 2 === 0 ? 'load' : 'unload', model);
  }
}

/** @param {string} text */
function loadsIn(text) {
  const values = text.matchAll(/^llama_router_model_loads_total(?:\{.*\})? (\d+)$/gm);
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** @param {string} url @param {Flags} flags */
async function compareCosts(url, { rounds, settle, scrapes }) {
  const program = nodeExporter();
  /** @type {Record<string, (port: number) => Promise<{ pid: number, stop: () => Promise<void> }>>} */
  const starts = {
    exporter: (port) => startExporter([`--router=${url}`, `--web.listen-address=127.0.0.1:${port}`]),
    node_exporter: async (port) => {
      const child = spawn(program, [`--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
      const kill = () => child.kill();
      process.once('exit', kill);
      child.once('exit', () => process.off('exit', kill));
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const stop = async () => {
        child.kill();
        await ended;
      };
      return { pid: child.pid ?? 0, stop };
    },
  };
  /** @type {Record<string, { start: number[], memory: number[], cpu: number[], series: number }>} */
  const figures = Object.fromEntries(
    Object.keys(starts).map((name) => [name, { start: [], memory: [], cpu: [], series: 0 }]),
  );
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, start] of Object.entries(starts)) {
      const own = /** @type {typeof figures[string]} */ (figures[name]);
      const port = await freePort();
      const startedAt = performance.now();
      const { pid, stop } = await start(port);
      await until(`${name} to answer`, () => scrape(port).catch(() => ''), { everyMs: 5 });
      own.start.push(performance.now() - startedAt);
      await sleep(settle * 1000);
      const before = usageOf(pid);
      for (let turn = 0; turn < scrapes; turn += 1) own.series = seriesIn(await scrape(port));
      const after = usageOf(pid);
      own.memory.push(after.residentBytes);
      own.cpu.push((1000 * (after.cpuSeconds - before.cpuSeconds)) / scrapes);
      await stop();
    }
  }
  const rows = Object.entries(figures).map(([name, { start, memory, cpu, series }]) => [
    name,
    series,
    median(start).toFixed(0),
    megabytes(median(memory)),
    median(cpu).toFixed(2),
    ((1000 * median(cpu)) / series).toFixed(2),
  ]);
  console.log(`\nMedian of ${rounds} starts in turn, ${scrapes} scrapes each:\n`);
  console.log(
    table(
      ['', 'series', 'first scrape after, ms', 'resident, MB', 'CPU of a scrape, ms', 'for 1,000 series'],
      rows,
    ),
  );
}

/** Without compression, as the CPU of a scrape is measured. @param {number} port */
const scrape = (port) =>
  textOf(`http://127.0.0.1:${port}/metrics`, { headers: { 'accept-encoding': 'identity' } });
