// The set-up of the pictures: two simulated routers on two machines, each with a GPU and an exporter, and a real Prometheus
// with the shipped rules.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSimulatedMemory } from '../../.build/simulator/simulated-memory.js';
import { createSimulatedRouter } from '../../.build/simulator/simulated-router.js';
import { demoModels } from '../../.build/src/cli/demo-models.js';
import { createConfigSource } from '../../.build/src/config/source.js';
import { systemClock } from '../../.build/src/lib/clock.js';
import { startMemory } from '../../.build/src/memory/memory.js';
import { startService } from '../../.build/src/service.js';
import { createSeededRandom } from '../seeded-random.mjs';
import { startPrometheus } from './prometheus.mjs';

const GB = 1_000_000_000;
const SCRAPE_SECONDS = 5;
const TOKEN = 'token-of-the-pictures';

/** Replaces name and size of the demo's card. */
const SMALL_CARD = { uuid: 'GPU-51a71a7e-0000-4000-8000-000000000002', name: 'Simulated RTX 4090' };
const SMALL_CARD_BYTES = 24_564 * 1024 * 1024;

const SMALL_MODELS = [
  { id: 'phi-4-mini', sizeBytes: 2.5 * GB, loadSeconds: 2, tokensPerSecond: 110, contextTokens: 8192 },
  { id: 'qwen3-coder-7b', sizeBytes: 4.7 * GB, loadSeconds: 3, tokensPerSecond: 80, contextTokens: 8192 },
  { id: 'bge-m3', sizeBytes: 1.2 * GB, loadSeconds: 0.6, tokensPerSecond: 900, contextTokens: 8192 },
];

/** Starts everything. Rejects if Prometheus cannot be started. */
export async function startFleet() {
  const folder = mkdtempSync(join(tmpdir(), 'llama-router-pictures-'));
  const random = createSeededRandom(20);
  const big = createSimulatedRouter({ models: demoModels(6), modelsMax: 3, sleepIdleSeconds: 40, random });
  const small = createSimulatedRouter({
    models: SMALL_MODELS,
    modelsMax: 2,
    sleepIdleSeconds: 60,
    slotsPerModel: 1,
    random,
  });
  const hosts = [
    await startHost('gpu-box', big, folder, (reading) => reading),
    await startHost('attic', small, folder, ofSmallCard),
  ];
  const prometheus = await startPrometheus(SCRAPE_SECONDS, hosts);
  return {
    ...{ big, small, random, prometheus, scrapeSeconds: SCRAPE_SECONDS },
    /** The URL of the first exporter's page. */
    page: hosts[0].url,
    /** Sends a request to the exporter of a host, with the right token or another. */
    async ask(host, path, body, { method = 'POST', token = TOKEN, trigger = 'api' } = {}) {
      const { url } = hosts.find(({ name }) => name === host);
      const answer = await fetch(url + path, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
          'X-Trigger': trigger,
        },
        body: JSON.stringify(body),
      });
      await answer.arrayBuffer();
    },
    async stop() {
      await prometheus.stop();
      for (const { service } of hosts) await service.stop();
      await Promise.all([big.stop(), small.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startHost(name, router, folder, adapted) {
  const { url } = await router.listen();
  const file = join(folder, `${name}.yml`);
  writeFileSync(
    file,
    JSON.stringify({
      routers: [{ name, url }],
      web: { listen_address: '127.0.0.1:0' },
      auth: { tokens: [{ name: 'operator', token: TOKEN }] },
      engine: { interval: '5s' },
      policy: { interval: '5s', hold_grace: '5s', idle: [{ models: ['mistral-*'], after: '90s' }] },
      audit: { file: join(folder, `${name}.jsonl`) },
    }),
  );
  const measure = createSimulatedMemory(router, name, systemClock);
  const service = await startService({
    config: createConfigSource({ env: {}, flags: { 'config.file': file } }),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    version: '0.1.0',
    memory: startMemory(
      { measure: () => timed(async () => adapted(await measure())), intervalMs: 1000, timeoutMs: 1000 },
      systemClock,
    ),
  });
  return { name, service, url: `http://127.0.0.1:${service.port}` };
}

/** The simulator reports no duration. */
async function timed(measure) {
  const startedAt = performance.now();
  const reading = await measure();
  const seconds = (performance.now() - startedAt) / 1000;
  return { ...reading, reports: reading.reports.map((report) => ({ ...report, seconds })) };
}

function ofSmallCard(reading) {
  return {
    ...reading,
    models: reading.models.map((model) => ({
      ...model,
      gpus: model.gpus.map((gpu) => ({ ...gpu, uuid: SMALL_CARD.uuid })),
    })),
    gpus: reading.gpus.map((gpu) => ({
      ...gpu,
      ...SMALL_CARD,
      totalBytes: SMALL_CARD_BYTES,
      usedBytes: Math.min(gpu.usedBytes, SMALL_CARD_BYTES),
    })),
  };
}
