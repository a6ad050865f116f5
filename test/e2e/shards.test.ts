import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createSimulatedRouter, type SimulatedRouter } from '../../simulator/simulated-router.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const ROUTERS = 24;

let folder: string;
let routers: SimulatedRouter[];
let names: string[];
let prometheus: Prometheus;
const exporters: RunningExporter[] = [];

beforeAll(async () => {
  folder = makeRunFolder('shards');
  routers = Array.from({ length: ROUTERS }, () =>
    createSimulatedRouter({ models: [{ id: 'a' }, { id: 'b' }] }),
  );
  for (const router of routers) await router.listen();
  names = routers.map(({ url }) => new URL(url).host).sort();
  write('routers.json', names);
  await startShards(2);
  // The exporters in one job; and the routers by hashmod as targets, to compare. Of those only the list counts.
  const hashmods = [2, 3].flatMap((total) =>
    Array.from({ length: total }, (_, shard) => hashmodJob(shard, total)),
  );
  const config = `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: llama-router-exporter
    file_sd_configs: [{ files: ['${join(folder, 'exporters.json')}'], refresh_interval: 1s }]
${hashmods.join('')}`;
  prometheus = await startPrometheus({ version: 'new', config, folders: [folder] });
});

afterAll(async () => {
  await prometheus?.stop();
  await Promise.all(exporters.map((exporter) => exporter.stop()));
  await Promise.all((routers ?? []).map((router) => router.stop()));
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, targets: readonly string[]) =>
  writeFileSync(join(folder, name), JSON.stringify([{ targets }]));

const hashmodJob = (shard: number, total: number) => `
  - job_name: shard-${shard}-of-${total}
    scrape_interval: 1h
    file_sd_configs: [{ files: ['${join(folder, 'routers.json')}'] }]
    relabel_configs:
      - { source_labels: [__address__], modulus: ${total}, target_label: __tmp_shard, action: hashmod }
      - { source_labels: [__tmp_shard], regex: '${shard}', action: keep }`;

/** All exporters have this number of shards; those that run already are reloaded. */
async function startShards(total: number): Promise<void> {
  for (let shard = 0; shard < total; shard += 1) {
    const file = join(folder, `shard-${shard}.yml`);
    const group = `{ name: fleet, files: ['${join(folder, 'routers.json')}'], interval: 1s }`;
    writeFileSync(file, `discovery: [${group}]\nfollow: { shard: ${shard}, total_shards: ${total} }\n`);
    const running = exporters[shard];
    if (running) expect(await running.service.reload()).toEqual({});
    else exporters.push(await startExporter([], { 'config.file': file }));
  }
  write(
    'exporters.json',
    exporters.map(({ url }) => new URL(url).host),
  );
}

/** The routers that each exporter follows, as Prometheus has them. */
async function followed(): Promise<string[][]> {
  const up = await prometheus.query('llama_router_up == 1');
  return exporters.map(({ url }) =>
    up
      .flatMap(({ metric: { instance, router = '' } }) => (instance === new URL(url).host ? [router] : []))
      .sort(),
  );
}

async function hashmod(total: number): Promise<string[][]> {
  const { activeTargets } = (await prometheus.api('/api/v1/targets')) as {
    activeTargets: { scrapePool: string; labels: { instance: string } }[];
  };
  return Array.from({ length: total }, (_, shard) =>
    activeTargets
      .filter(({ scrapePool }) => scrapePool === `shard-${shard}-of-${total}`)
      .map(({ labels }) => labels.instance)
      .sort(),
  );
}

it.each([2, 3])(
  'with %i shards each router is followed once, by the exporter that hashmod names',
  async (total) => {
    if (exporters.length < total) await startShards(total);
    const agree = async () => {
      const shards = await followed();
      return (
        shards.flat().length === ROUTERS && JSON.stringify(shards) === JSON.stringify(await hashmod(total))
      );
    };
    await until('every router to be followed by the exporter that hashmod names', agree);
    const shards = await followed();
    expect(shards.flat().sort()).toEqual(names);
    for (const shard of shards) expect(shard.length).toBeGreaterThan(0);

    // A model of each router is counted once, wherever its router is followed.
    const loads = async () =>
      (await prometheus.query('sum by (router) (llama_router_model_loads_total{model="b"})')).filter(
        ({ value }) => value === 1,
      ).length;
    if (total === 2) {
      await Promise.all(routers.map((router) => router.load('b')));
      await until('every load to be counted', async () => (await loads()) === ROUTERS);
    }
    const [discovered] = await prometheus.query('sum(llama_router_discovered_routers)');
    expect(discovered?.value).toBe(ROUTERS);
    const missing = await prometheus.query(
      'count(count_values("shard", llama_router_exporter_shard)) != max(llama_router_exporter_total_shards)',
    );
    expect(missing).toEqual([]);
  },
);
