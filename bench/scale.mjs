import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isReady, seriesIn, until } from './support/ask.mjs';
import { eventToScrape } from './support/event-to-scrape.mjs';
import { megabytes, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { bodyOf, openClient } from './support/keep-alive-client.mjs';
import { startLife } from './support/life.mjs';
import { startExporter, startModule, usageOf } from './support/processes.mjs';
import { watchWaits } from './support/waits.mjs';

export const usage = 'scale: one exporter and many routers, found in a file. Linux only.';

export const flags = {
  fleets: flag(
    '1x50,10x50,100x50,500x50,1x5000',
    'simulated routers x models of each, at least 20, in other processes, one fleet after the other',
  ),
  settle: flag(10, 'seconds after the start of each fleet that are not watched'),
  seconds: flag(60, 'how long CPU and memory of each fleet are watched'),
  scrape: flag(15, 'seconds between two scrapes meanwhile'),
  scrapes: flag(40, 'scrapes without pause, whose time is measured'),
  transitions: flag(20, 'status changes whose way to a scrape is measured; some others go on all the time'),
  figures: flag('', 'a file to which the figures are written as JSON'),
  draw: flag('', 'such a file, of which docs/pictures/scale-*.svg are drawn; nothing is measured'),
  node: flag('', "flags for the exporter's node, such as --cpu-prof"),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** Routers in one process, and those on which something happens. */
const ROUTERS_A_PROCESS = 100;
const LIVELY = 10;
const MODELS = Array.from({ length: 20 }, (_, model) => `qwen2.5-7b-instruct-q4_k_m-${model}`);

/** @typedef {Awaited<ReturnType<typeof measure>>} Figures */

/** @param {Flags} flags */
export async function run(flags) {
  if (flags.draw !== '') return draw(flags.draw);
  const fleets = [];
  for (const fleet of flags.fleets.split(',')) {
    const [routers = 0, models = 0] = fleet.split('x').map(Number);
    if (!(routers > 0 && models >= MODELS.length))
      throw new Error(`--fleets: '${fleet}' is no fleet, see --help`);
    fleets.push(await measure({ routers, models }, flags));
    process.stderr.write(`${JSON.stringify(fleets.at(-1))}\n`);
  }
  report(fleets, flags);
  if (flags.figures !== '') await writeFile(flags.figures, `${JSON.stringify(fleets, null, 2)}\n`);
}

/**
 * @param {{ routers: number, models: number }} fleet
 * @param {Flags} pace
 */
async function measure({ routers: count, models }, pace) {
  const sizes = Array.from({ length: Math.ceil(count / ROUTERS_A_PROCESS) }, (_, at) =>
    Math.min(ROUTERS_A_PROCESS, count - at * ROUTERS_A_PROCESS),
  );
  const processes = await Promise.all(
    sizes.map((routers) => startModule('routers.mjs', { routers, models, loadSeconds: 0.2 })),
  );
  /** @type {string[]} */
  const urls = processes.flatMap(({ ready }) => ready.urls);
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-scale-'));
  const port = await freePort();
  await writeFile(
    join(folder, 'targets.json'),
    JSON.stringify([{ targets: urls.map((url) => new URL(url).host) }]),
  );
  await writeFile(join(folder, 'config.yml'), configOf(port));
  const startedAt = performance.now();
  const exporter = await startExporter(
    [`--config.file=${join(folder, 'config.yml')}`],
    pace.node.split(' ').filter(Boolean),
  );
  try {
    const starting = await watchWaits(port);
    await until('all routers to be followed', () => isReady(port), { withinMs: 300_000 });
    const startSeconds = (performance.now() - startedAt) / 1000;
    const startWaitMs = await starting.stop();
    const client = await openClient(port);
    const first = bodyOf(await client.get('identity'));
    const up = first.match(/^llama_router_up\{.*\} 1$/gm)?.length ?? 0;
    if (up !== count) throw new Error(`the exporter is ready, but only ${up} of ${count} routers are up`);
    await sleep(pace.settle * 1000); // The noise of the start is over.
    const usage = await watchUsage(exporter.pid, client, pace);
    const scrapes = await watchScrapes({ pid: exporter.pid, port }, client, urls, pace);
    client.close();
    return {
      routers: count,
      models,
      startSeconds,
      startWaitMs,
      ...usage,
      ...scrapes,
    };
  } finally {
    await exporter.stop();
    await Promise.all(processes.map((each) => each.stop()));
    await rm(folder, { recursive: true });
  }
}

/** @typedef {Awaited<ReturnType<typeof openClient>>} Client */

/**
 * Memory and CPU at the pace of Prometheus.
 * @param {number} pid @param {Client} client @param {Flags} pace
 */
async function watchUsage(pid, client, { seconds, scrape }) {
  const before = usageOf(pid);
  for (let turn = 0; turn < Math.ceil(seconds / scrape); turn += 1) {
    await client.get('gzip');
    await sleep(scrape * 1000);
  }
  const after = usageOf(pid);
  return { residentBytes: after.residentBytes, cpu: (after.cpuSeconds - before.cpuSeconds) / seconds };
}

/**
 * Scrapes one after the other while models are loaded and unloaded, what they do to other requests, and the way of
 * an event to the event stream of the exporter and to a scrape.
 * @param {{ pid: number, port: number }} exporter
 * @param {Client} client
 * @param {readonly string[]} urls
 * @param {Flags} pace
 */
async function watchScrapes({ pid, port }, client, urls, { scrapes, transitions }) {
  const life = await startLife(port, urls.slice(0, LIVELY), MODELS.slice(1));
  const waits = await watchWaits(port);
  /** @type {number[]} */
  const times = [];
  let answer = await client.get('identity');
  const before = usageOf(pid);
  for (let turn = 0; turn < scrapes; turn += 1) {
    await sleep(100);
    answer = await client.get('identity');
    times.push(answer.milliseconds);
  }
  const scrapeCpuMs = (1000 * (usageOf(pid).cpuSeconds - before.cpuSeconds)) / scrapes;
  const waitMs = await waits.stop();
  const p50 = quantile(times, 0.5);
  const [url = ''] = urls;
  const [model = ''] = MODELS;
  const toScrape = await eventToScrape({ url, model, client, transitions, pause: Math.max(400, 4 * p50) });
  const toStream = await life.stop();
  if (toStream.missed > 0)
    throw new Error(`${toStream.missed} status changes are not in the exporter's stream`);
  return {
    series: seriesIn(bodyOf(answer)),
    bytes: answer.bytes,
    scrapeP50: p50,
    scrapeP99: quantile(times, 0.99),
    scrapeCpuMs,
    waitMs,
    toStreamP50: quantile(toStream.times, 0.5),
    toStreamP99: quantile(toStream.times, 0.99),
    toScrapeP50: quantile(toScrape, 0.5),
    toScrapeP99: quantile(toScrape, 0.99),
  };
}

/** @param {number} port */
function configOf(port) {
  const group = '{ name: all, files: [targets.json], max_routers: 5000 }';
  return `discovery: [${group}]\nweb: { listen_address: '127.0.0.1:${port}' }\n`;
}

/**
 * What is compared: the head of its column and what it is.
 * @type {readonly [string, (figures: Figures) => number][]}
 */
const COSTS = [
  ['start, ms', ({ startSeconds }) => 1000 * startSeconds],
  ['resident, kB', ({ residentBytes }) => residentBytes / 1e3],
  ['CPU, ‰', ({ cpu }) => 1000 * cpu],
  ['scrape, kB', ({ bytes }) => bytes / 1e3],
  ['CPU of a scrape, ms', ({ scrapeCpuMs }) => scrapeCpuMs],
  ['scrape p50, ms', ({ scrapeP50 }) => scrapeP50],
  ['event to scrape p50, ms', ({ toScrapeP50 }) => toScrapeP50],
];

/** @param {Figures} figures */
const nameOf = ({ routers, models }) => `${routers} × ${models}`;

/**
 * @param {readonly Figures[]} fleets
 * @param {Flags} pace
 */
function report(fleets, { seconds, scrape, scrapes }) {
  const one = (/** @type {number} */ value) => value.toFixed(1);
  const head = [
    'routers × models',
    'series',
    'all up after, s',
    'longest wait, ms',
    'resident, MB',
    'CPU, %',
  ];
  const rows = fleets.map((each) => [
    nameOf(each),
    each.series,
    one(each.startSeconds),
    each.startWaitMs.toFixed(0),
    megabytes(each.residentBytes),
    one(100 * each.cpu),
  ]);
  console.log(`\nThe start, then a scrape every ${scrape} s for ${seconds} s:\n\n${table(head, rows)}`);
  const scrapeHead = [
    'MB',
    'CPU, ms',
    'p50, ms',
    'p99',
    'longest wait',
    'event to stream',
    'p99',
    'event to scrape',
    'p99',
  ];
  const scrapeRows = fleets.map((each) => [
    nameOf(each),
    megabytes(each.bytes),
    ...[
      each.scrapeCpuMs,
      each.scrapeP50,
      each.scrapeP99,
      each.waitMs,
      each.toStreamP50,
      each.toStreamP99,
    ].map(one),
    ...[each.toScrapeP50, each.toScrapeP99].map(one),
  ]);
  console.log(`\n${scrapes} scrapes in a row, with changes between them:\n`);
  console.log(table(['routers × models', ...scrapeHead], scrapeRows));
  const [first, second, ...others] = fleets;
  if (first === undefined || second === undefined) return;
  const costs = costsOf(second, first);
  console.log(`\nFor each 1,000 series more than ${nameOf(first)} (and compared with ${nameOf(second)}):\n`);
  const costRows = [second, ...others].map((each) => [
    nameOf(each),
    ...costsOf(each, first).map(
      (cost, at) => `${cost.toFixed(2)} (${(cost / (costs[at] ?? 1)).toFixed(2)} ×)`,
    ),
  ]);
  console.log(table(['routers × models', ...COSTS.map(([name]) => name)], costRows));
}

/**
 * For each 1,000 series that this fleet has more than the first.
 * @param {Figures} figures @param {Figures} first
 */
function costsOf(figures, first) {
  return COSTS.map(([, cost]) => (1000 * (cost(figures) - cost(first))) / (figures.series - first.series));
}

/** The charting library has a package.json of its own. @param {string} figures */
function draw(figures) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  for (const command of [
    ['tools/ensure-installed.mjs', 'tools/draw-charts'],
    ['tools/draw-charts/draw.mjs', resolve(figures), 'docs/pictures'],
  ]) {
    const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
    if (status !== 0) throw new Error(`${command[0]} failed`);
  }
}
