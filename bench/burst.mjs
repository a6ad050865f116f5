import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { configOf } from './idle.mjs';
import { scrape } from './support/ask.mjs';
import { megabytes, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter, startModule, usageOf, variablesOf } from './support/processes.mjs';

export const usage =
  'burst: memory before, during and after a large router that is scraped often and then removed. Linux only.';

export const flags = {
  models: flag(1000, 'models of that router; another one has 50 and stays'),
  scrapes: flag(1000, 'how often it is scraped, without pause'),
  seconds: flag(60, 'how long the exporter is idle before and after, with a scrape every 15 s'),
  node: flag('', "flags for the exporter's node"),
  env: flag('', 'variables for the exporter, as in the container image'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const usual = await startModule('routers.mjs', { routers: 1, models: 50, loadSeconds: 2 });
  const large = await startModule('routers.mjs', { routers: 1, models: flags.models, loadSeconds: 2 });
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-burst-'));
  const config = join(folder, 'config.yml');
  const port = await freePort();
  const { urls } = usual.ready;
  await writeFile(config, configOf(urls, port));
  const exporter = await startExporter(
    [`--config.file=${config}`],
    flags.node.split(' ').filter(Boolean),
    variablesOf(flags.env),
  );
  const scraper = setInterval(() => scrape(port), 15_000);
  const resident = () => megabytes(usageOf(exporter.pid).residentBytes);
  const reloadWith = async (/** @type {readonly string[]} */ all) => {
    await writeFile(config, configOf(all, port));
    process.kill(exporter.pid, 'SIGHUP');
    await sleep(2000);
  };
  try {
    await scrape(port);
    await sleep(flags.seconds * 1000);
    const before = resident();
    await reloadWith([...urls, ...large.ready.urls]);
    for (let times = 0; times < flags.scrapes; times += 1) await scrape(port);
    const during = resident();
    await reloadWith(urls);
    await sleep(flags.seconds * 1000);
    const after = resident();
    const head = ['resident before, MB', 'after the last scrape, MB', 'after the removal, MB', '× before'];
    console.log(table(head, [[before, during, after, (Number(after) / Number(before)).toFixed(2)]]));
  } finally {
    clearInterval(scraper);
    await exporter.stop();
    await usual.stop();
    await large.stop();
    await rm(folder, { recursive: true });
  }
}
