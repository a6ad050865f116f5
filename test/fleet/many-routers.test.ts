import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const MANY = 60;

let folder: string;
let routers: TestRouter[];
let exporter: RunningExporter;

beforeAll(async () => {
  folder = scratchFolder();
  routers = Array.from({ length: MANY }, () =>
    createTestRouter({ models: ['tiny-a', 'tiny-b'].map((id) => ({ id, loadSeconds: 0.01 })) }),
  );
  await Promise.all(routers.map((router) => router.listen()));
  writeTargets(routers);
  writeFileSync(
    join(folder, 'config.yml'),
    `
discovery: [{ name: lab, files: ['targets-*.json'], interval: 1s, labels: { site: lab } }]
memory: { nvidia_smi: '' }
`,
  );
  exporter = await startExporter([], { 'config.file': join(folder, 'config.yml') });
}, 60_000);

afterAll(async () => {
  await exporter?.stop();
  await Promise.all(routers?.map(({ stop }) => stop()) ?? []);
});

/** Writes the targets to two files, each router with a label. */
function writeTargets(list: readonly TestRouter[]): void {
  const half = Math.ceil(list.length / 2);
  for (const [name, part] of [
    ['targets-1.json', list.slice(0, half)],
    ['targets-2.json', list.slice(half)],
  ] as const) {
    const groups = part.map(({ url }) => ({
      targets: [new URL(url).host],
      labels: { rack: String(routers.findIndex((router) => router.url === url) % 8) },
    }));
    writeFileSync(join(folder, name), JSON.stringify(groups));
  }
}

/** A scrape of that many routers takes a while. */
const seldom = { everyMs: 100 };

/** The first scrape in which this number of routers is up. */
async function untilUp(count: number): Promise<string> {
  const ask = async () => {
    const scrape = await exporter.scrape();
    return rows(scrape, 'up').filter((row) => row.endsWith(' 1')).length === count && scrape;
  };
  return until(`${count} routers to be up`, ask, seldom);
}

/** The lines of a family, without its name. */
function rows(scrape: string, family: string): string[] {
  const name = `llama_router_${family}`;
  return scrape.split('\n').flatMap((line) => (line.startsWith(`${name}{`) ? [line.slice(name.length)] : []));
}

/** Both ends of each connection are in this process. */
const openSockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

it('are followed, each with its own series and labels', async () => {
  const scrape = await untilUp(MANY);
  expect(rows(scrape, 'discovered_routers')).toEqual([`{group="lab"} ${MANY}`]);
  expect(rows(scrape, 'discovery_success')).toEqual(['{group="lab"} 1']);
  const seventh = new URL(routers[7]?.url ?? '').host;
  expect(rows(scrape, 'labels')).toHaveLength(MANY);
  expect(rows(scrape, 'labels')).toContain(`{router="${seventh}",label_site="lab",label_rack="7"} 1`);
  const areConnected = async () => {
    const streams = rows(await exporter.scrape(), 'event_stream_connected');
    return streams.filter((row) => row.endsWith(' 1')).length === MANY;
  };
  await until('every event stream', areConnected, seldom);
  expect(openSockets()).toBeGreaterThan(2 * MANY);
}, 60_000);

it('leave nothing behind when they vanish, and continue their counters when they come back', async () => {
  const [first] = routers as [TestRouter];
  const router = new URL(first.url).host;
  await first.load('tiny-a');
  await exporter.untilValue('llama_router_model_loads_total', { router, model: 'tiny-a' }, 1);
  first.unload('tiny-a');
  const reason = { router, model: 'tiny-a', reason: 'external' };
  await exporter.untilValue('llama_router_model_unloads_total', reason, 1);

  writeTargets([]);
  const without = await untilUp(0);
  expect(rows(without, 'discovered_routers')).toEqual(['{group="lab"} 0']);
  expect(without).not.toContain('router="');
  // Except those of the scrapes.
  await until('the connections to be closed', () => openSockets() < 10);
  await first.load('tiny-a');

  writeTargets(routers);
  await untilUp(MANY);
  await exporter.untilValue('llama_router_model_unloads_total', reason, 1);
  // The load while the router was not followed does not count.
  expect(await exporter.value('llama_router_model_loads_total', { router, model: 'tiny-a' })).toBe(1);
  first.unload('tiny-a');
  await exporter.untilValue('llama_router_model_unloads_total', reason, 2);
}, 60_000);
