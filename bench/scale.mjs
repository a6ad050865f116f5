import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, megabytes, table } from './support/figures.mjs';
import { readFlags } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter, startModule, usageOf } from './support/processes.mjs';

export const usage = `scale: one exporter and many routers, found in a file. Linux only.
  --fleets 10,50,200    how many simulated routers, in another process, one fleet after the other
  --models 20           models of each
  --seconds 30          how long each fleet is watched
  --scrape 5            seconds between two scrapes`;

/** @param {readonly string[]} args */
export async function run(args) {
  const flags = readFlags(args, { fleets: '10,50,200', models: 20, seconds: 30, scrape: 5 });
  const rows = [];
  for (const routers of flags.fleets.split(',').map(Number)) rows.push(await measure(routers, flags));
  console.log(`\n${flags.models} models each, a scrape every ${flags.scrape} s, ${flags.seconds} s:\n`);
  const head = [
    'routers',
    'series',
    'MB of a scrape',
    'all up after, s',
    'scrape p50, ms',
    'resident, MB',
    'CPU, %',
  ];
  console.log(table(head, rows));
}

/**
 * @param {number} count
 * @param {{ models: number, seconds: number, scrape: number }} flags
 */
async function measure(count, { models, seconds, scrape }) {
  const routers = await startModule('routers.mjs', { routers: count, models, loadSeconds: 2 });
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-scale-'));
  const port = await freePort();
  const targets = routers.ready.urls.map((/** @type {string} */ url) => new URL(url).host);
  await writeFile(join(folder, 'targets.json'), JSON.stringify([{ targets }]));
  await writeFile(join(folder, 'config.yml'), configOf(port));
  const startedAt = performance.now();
  const exporter = await startExporter([`--config.file=${join(folder, 'config.yml')}`]);
  try {
    while ((await scrapeOf(port)).up < count) await sleep(50);
    const allUp = (performance.now() - startedAt) / 1000;
    await sleep(10_000); // The noise of the start is over.
    const before = usageOf(exporter.pid);
    const scrapes = [];
    for (
      const end = performance.now() + seconds * 1000;
      performance.now() < end;
      await sleep(scrape * 1000)
    ) {
      scrapes.push(await scrapeOf(port));
    }
    const after = usageOf(exporter.pid);
    const cpu = (100 * (after.cpuSeconds - before.cpuSeconds)) / seconds;
    const [last] = scrapes.slice(-1);
    return [
      count,
      last?.series,
      ((last?.bytes ?? 0) / 1e6).toFixed(2),
      allUp.toFixed(1),
      median(scrapes.map(({ ms }) => ms)).toFixed(1),
      megabytes(after.residentBytes),
      cpu.toFixed(1),
    ].map(String);
  } finally {
    await exporter.stop();
    await routers.stop();
    await rm(folder, { recursive: true });
  }
}

/** @param {number} port */
function configOf(port) {
  const group = '{ name: all, files: [targets.json], max_routers: 5000 }';
  return `discovery: [${group}]\nweb: { listen_address: '127.0.0.1:${port}' }\n`;
}

/** @param {number} port */
async function scrapeOf(port) {
  const startedAt = performance.now();
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const ms = performance.now() - startedAt;
  const series = text.split('\n').filter((line) => /^[a-z]/.test(line)).length;
  const up = text.match(/^llama_router_up\{.*\} 1$/gm)?.length ?? 0;
  return { ms, series, up, bytes: text.length };
}
