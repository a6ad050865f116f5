import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { scrape, seriesIn } from './support/ask.mjs';
import { megabytes, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { emptyNodeBytes, startExporter, startModule, usageOf, variablesOf } from './support/processes.mjs';

export const usage = 'idle: memory and CPU of the exporter while nothing happens on its routers. Linux only.';

export const flags = {
  routers: flag(10, 'simulated routers, in another process'),
  models: flag(50, 'models of each'),
  seconds: flag(60, 'how long to watch, after as long again for settling, at most 10 s'),
  scrape: flag(15, 'seconds between two scrapes'),
  node: flag('', "flags for the exporter's node"),
  env: flag(
    '',
    "variables for the exporter, such as 'MALLOC_ARENA_MAX=1 NODE_OPTIONS=--max-semi-space-size=1'",
  ),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** @param {Flags} flags */
export async function run(flags) {
  const routers = await startModule('routers.mjs', { ...flags, loadSeconds: 2 });
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-idle-'));
  const config = join(folder, 'config.yml');
  const port = await freePort();
  await writeFile(config, configOf(routers.ready.urls, port));
  const exporter = await startExporter(
    [`--config.file=${config}`],
    flags.node.split(' ').filter(Boolean),
    variablesOf(flags.env),
  );
  try {
    const scraper = setInterval(() => scrape(port), flags.scrape * 1000);
    await scrape(port);
    await sleep(Math.min(10, flags.seconds) * 1000);
    const before = usageOf(exporter.pid);
    await sleep(flags.seconds * 1000);
    const after = usageOf(exporter.pid);
    clearInterval(scraper);
    const series = seriesIn(await scrape(port));
    const empty = await emptyNodeBytes();
    const share = (100 * (after.cpuSeconds - before.cpuSeconds)) / flags.seconds;
    console.log(
      `\n${flags.routers} routers of ${flags.models} models, ${series} series, a scrape every ${flags.scrape} s, ${flags.seconds} s:\n`,
    );
    console.log(
      table(
        ['resident at first, MB', 'resident at last, MB', '× empty node', 'CPU, % of a core'],
        [
          [
            megabytes(before.residentBytes),
            megabytes(after.residentBytes),
            (after.residentBytes / empty).toFixed(2),
            share.toFixed(2),
          ],
        ],
      ),
    );
  } finally {
    await exporter.stop();
    await routers.stop();
    await rm(folder, { recursive: true });
  }
}

/**
 * @param {readonly string[]} urls
 * @param {number} port
 */
export function configOf(urls, port) {
  const routers = urls.map((url, at) => `  - name: gpu-box-${at}\n    url: ${url}`);
  return `routers:\n${routers.join('\n')}\nweb:\n  listen_address: 127.0.0.1:${port}\n`;
}
