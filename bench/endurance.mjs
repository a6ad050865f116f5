import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { configOf } from './idle.mjs';
import { scrape } from './support/ask.mjs';
import { megabytes, showPromises, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startOperator } from './support/operator.mjs';
import { startExporter, startModule, variablesOf } from './support/processes.mjs';
import { delayFlags, startWatch } from './support/watch.mjs';

export const usage = `endurance: the exporter for hours under a steady load. Linux only. Exits with 1 when a promise is broken:
- resident memory at the end is within 10 % of that after five minutes (or a third of the time, if that is shorter);
- when the last page is closed, no more descriptors and handles are open than before the first one;
- the 99th percentile of the event loop's delay is under 20 ms. Other programs of the machine delay every process: that of
  an idle Node process is subtracted, and all of it has a higher priority than other programs (if run as root);
- every page, scrape and order is answered as it should be.
The exporter runs with the variables of the image, a state file, an audit file and an nvidia-smi that a script plays. It is
scraped every second. Each minute it unloads all models, loads one, places, extends and ends a hold with restore, and
reloads its configuration, and a router restarts. Pages are opened, refreshed with their ETag and closed as by browsers,
with their event streams.`;

export const flags = {
  seconds: flag(28_800, 'how long'),
  routers: flag(10, 'simulated routers, in another process'),
  models: flag(10, 'models of each'),
  transitions: flag(10, 'of all models, per second'),
  pages: flag(200, 'open at once, each for 10 to 200 seconds'),
  rows: flag(10, 'of the table'),
  node: flag('', "flags for the exporter's node"),
  json: flag('', 'a file for the number of promises that were kept and broken, as jest writes it'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const LIMITS = { growth: 0.1, delayMs: 20, more: 5 };

/** How long the exporter is given to close what it does not need any more. */
const SETTLE_S = 90;

const AUTOGROUP = '/proc/self/autogroup';

const NVIDIA_SMI = `#!/bin/sh
case "$1" in
  --query-gpu=*) echo '0, GPU-0000, NVIDIA L40S, 46068, 8211, 37857, 3'; echo '1, GPU-0001, NVIDIA L40S, 46068, 211, 45857, 0';;
esac
`;

/** @param {Flags} flags */
export async function run(flags) {
  preferUs();
  const folder = mkdtempSync(join(tmpdir(), 'llama-router-exporter-endurance-'));
  try {
    const promises = await endure(flags, folder);
    showPromises(promises);
    const numPassedTests = promises.filter(({ kept }) => kept).length;
    const numFailedTests = promises.length - numPassedTests;
    if (flags.json) writeFileSync(flags.json, JSON.stringify({ numPassedTests, numFailedTests }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Gives this process and those that it starts a higher priority, if the system allows it. */
function preferUs() {
  try {
    setPriority(-15);
    // Linux may compare processes only with those of the same terminal, unless their group has a priority, too.
    if (existsSync(AUTOGROUP)) writeFileSync(AUTOGROUP, '-15');
  } catch {
    console.error('Not root: other programs of this machine will delay the event loop more.');
  }
}

/**
 * @param {{ seconds: number, routers: number, models: number, transitions: number, pages: number, rows: number, node: string }} flags
 * @param {string} folder
 */
async function endure(flags, folder) {
  const routers = await startModule('lively-routers.mjs', flags);
  const { urls, models } = routers.ready;
  const names = urls.map((/** @type {string} */ _, /** @type {number} */ at) => `gpu-box-${at}`);
  const port = await freePort();
  const exporter = await startExporter(
    [`--config.file=${writeConfig(folder, urls, port)}`],
    [...delayFlags(folder, 'watched'), ...flags.node.split(' ').filter(Boolean)],
    imageVariables(),
  );
  const watch = await startWatch(exporter.pid, folder);
  await sleep(5000);
  const before = await watch.period();

  const scraper = startScraper(port);
  const operator = startOperator(`http://127.0.0.1:${port}`, names, models);
  const readers = await startModule('readers.mjs', { port, routers: names, pages: flags.pages });
  const clients = async () => [await readers.ask('counts'), operator.counts, scraper.counts];
  const { last, resident } = await measure(flags, watch, () => transitionsIn(scraper.last()));
  const answers = await clients();

  await readers.ask('close');
  await operator.stop();
  scraper.stop();
  const after = await settled(watch, before);
  watch.stop();
  for (const each of [exporter, readers, routers]) await each.stop();
  return promisesOf({ last, before, after, resident, clients: answers });
}

/** @typedef {import('./support/watch.mjs').Period} Period */

/**
 * Measures period after period, the first of which is the warm-up.
 * @param {{ seconds: number, rows: number }} flags
 * @param {Awaited<ReturnType<typeof startWatch>>} watch
 * @param {() => number} transitions so far
 */
async function measure({ seconds, rows: count }, watch, transitions) {
  const warmUp = Math.min(300, seconds / 3);
  const window = Math.min(60_000, seconds * 100);
  const lengths = [warmUp, ...Array(count - 1).fill((seconds - warmUp) / (count - 1))];
  const startedAt = performance.now();
  /** @type {Period[]} */
  const periods = [];
  /** @type {(string | number)[][]} */
  const rows = [];
  let [counted, warmAt] = [transitions(), 0];
  for (const length of lengths) {
    await sleep(length * 1000);
    const period = await watch.period();
    warmAt ||= performance.now();
    const total = transitions();
    periods.push(period);
    rows.push(rowOf(performance.now() - startedAt, period, (total - counted) / period.seconds));
    console.error(`  ${rows.at(-1)?.join('  ')}`);
    counted = total;
  }
  console.log(`\n${seconds} s; the first row is the warm-up:\n\n${table(HEAD, rows)}\n`);
  const now = performance.now();
  return {
    last: /** @type {Period} */ (periods.at(-1)),
    resident: {
      early: watch.residentBytes(warmAt, warmAt + window),
      late: watch.residentBytes(now - window, now),
    },
  };
}

const HEAD = [
  'minutes',
  'resident, MB',
  'heap, MB',
  'descriptors',
  'handles',
  'delay p99, ms',
  'idle process',
  'longest, ms',
  'idle process',
  'CPU, %',
  'transitions/s',
];

/**
 * @param {number} milliseconds since the start
 * @param {Period} period
 * @param {number} transitions per second
 */
function rowOf(milliseconds, { inside, idle, residentBytes, descriptors, cpuPercent }, transitions) {
  return [
    (milliseconds / 60_000).toFixed(1),
    megabytes(residentBytes),
    megabytes(inside.heapBytes),
    descriptors,
    inside.handles,
    inside.recent.p99.toFixed(1),
    idle.recent.p99.toFixed(1),
    inside.recent.max.toFixed(0),
    idle.recent.max.toFixed(0),
    cpuPercent.toFixed(0),
    transitions.toFixed(1),
  ];
}

/**
 * Waits until the exporter has closed what it does not need any more, or until it had enough time for it.
 * @param {Awaited<ReturnType<typeof startWatch>>} watch
 * @param {Period} before
 */
async function settled(watch, before) {
  for (let waited = 0; ; waited += 5) {
    await sleep(5000);
    const period = await watch.period();
    if (isAsFew(period, before) || waited >= SETTLE_S) return period;
  }
}

/** @param {Period} after @param {Period} before */
function isAsFew(after, before) {
  return (
    after.descriptors <= before.descriptors + LIMITS.more &&
    after.inside.handles <= before.inside.handles + LIMITS.more
  );
}

/**
 * @param {{
 *   last: Period,
 *   before: Period,
 *   after: Period,
 *   resident: { early: number, late: number },
 *   clients: readonly { answered: number, failed: number, why: string }[],
 * }} measured
 */
function promisesOf({ last, before, after, resident, clients }) {
  const growth = resident.late / resident.early - 1;
  const [own, idle] = [last.inside.all.p99, last.idle.all.p99];
  const answered = clients.reduce((sum, each) => sum + each.answered, 0);
  const failed = clients.reduce((sum, each) => sum + each.failed, 0);
  const why = clients.map((each) => each.why).find((each) => each !== '') ?? '';
  return [
    {
      kept: growth <= LIMITS.growth,
      text: `memory: ${megabytes(resident.late)} MB at the end, ${megabytes(resident.early)} MB after the warm-up: ${(100 * growth).toFixed(1)} % more; the limit is 10 %`,
    },
    {
      kept: isAsFew(after, before),
      text: `open: ${after.descriptors} descriptors and ${after.inside.handles} handles after the last page was closed, ${before.descriptors} and ${before.inside.handles} before the first; the limit is ${LIMITS.more} more`,
    },
    {
      kept: own - idle < LIMITS.delayMs,
      text: `event loop: p99 of the delay ${own.toFixed(1)} ms, of an idle process ${idle.toFixed(1)} ms; the limit is ${LIMITS.delayMs} ms more`,
    },
    {
      kept: failed === 0,
      text: `answers: ${answered} as expected, ${failed} not${why && ` (${why})`}`,
    },
  ];
}

/**
 * Scrapes once a second, as long as it is not stopped.
 * @param {number} port
 */
function startScraper(port) {
  const counts = { answered: 0, failed: 0, why: '' };
  let last = '';
  const timer = setInterval(async () => {
    try {
      last = await scrape(port);
      counts.answered += 1;
    } catch (error) {
      counts.failed += 1;
      counts.why ||= `/metrics: ${error}`;
    }
  }, 1000);
  return { counts, last: () => last, stop: () => clearInterval(timer) };
}

/** How many changes of status an exposition has counted: a load starts and is complete. @param {string} text */
function transitionsIn(text) {
  const sum = (/** @type {RegExp} */ pattern) =>
    [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  const loads = sum(/^llama_router_model_loads_total\{.*\} (\d+)$/gm);
  return 2 * loads + sum(/^llama_router_model_unloads_total\{.*\} (\d+)$/gm);
}

/**
 * @param {string} folder
 * @param {readonly string[]} urls
 * @param {number} port
 */
function writeConfig(folder, urls, port) {
  const driver = join(folder, 'nvidia-smi');
  writeFileSync(driver, NVIDIA_SMI);
  chmodSync(driver, 0o755);
  const files = {
    memory: `nvidia_smi: ${driver}`,
    state: `file: ${join(folder, 'state.json')}`,
    audit: `file: ${join(folder, 'audit.jsonl')}`,
  };
  const sections = Object.entries(files).map(([section, line]) => `${section}:\n  ${line}\n`);
  const config = join(folder, 'config.yml');
  writeFileSync(config, configOf(urls, port) + sections.join(''));
  return config;
}

/** The variables with which the image runs the exporter. */
function imageVariables() {
  const dockerfile = readFileSync(new URL('../Dockerfile', import.meta.url), 'utf8');
  const variables = /^ENV (NODE_OPTIONS=.*)$/m.exec(dockerfile)?.[1];
  if (variables === undefined) throw new Error('Dockerfile sets no NODE_OPTIONS');
  return variablesOf(variables);
}
