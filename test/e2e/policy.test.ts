import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { keepBusy } from '../support/orders.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';

let router: RealRouter;
let sleeper: RealRouter;
let exporter: RunningExporter;
let folder: string;

beforeAll(async () => {
  folder = scratchFolder();
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'mid'] });
  sleeper = await startRealRouter({ models: ['tiny-s'], sleepIdleSeconds: 1 });
});
afterAll(async () => {
  await sleeper?.stop();
  await router?.stop();
});
afterEach(async () => {
  await exporter?.stop();
});

/** An exporter of both routers with this configuration, and an audit. */
async function start(config: string): Promise<void> {
  const file = join(folder, 'config.yml');
  writeFileSync(file, `${config}\naudit: { file: audit.jsonl }\nengine: { interval: 1s }\n`);
  exporter = await startExporter([router.url, sleeper.url], { 'config.file': file });
}

const nameOf = ({ port }: RealRouter) => `127.0.0.1:${port}`;
const isNow = (model: string, status: string) =>
  exporter.untilValue('llama_router_model_status', { model, status }, 1);
const unloads = (model: string) =>
  exporter.value('llama_router_model_unloads_total', { model, reason: 'requested' });
const isUnloaded = (model: string) =>
  exporter.untilValue('llama_router_model_unloads_total', { model, reason: 'requested' }, 1);
const hold = async (seconds: number) => {
  const answer = await fetch(`${exporter.url}/api/v1/holds`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      routers: [nameOf(router)],
      ttl_seconds: seconds,
      reason: 'a test',
      enforce: true,
    }),
  });
  expect(answer.status).toBe(201);
};

it('unloads models that were idle or asleep for too long, and no others', async () => {
  await start(`
policy:
  interval: 1s
  idle:
    - { models: [tiny-a, tiny-s], after: 2s }`);
  await complete(sleeper, 'tiny-s', { tokens: 1 });
  await complete(router, 'tiny-b', { tokens: 1 });
  await complete(router, 'tiny-a', { tokens: 1 });
  await isUnloaded('tiny-a');
  await isUnloaded('tiny-s');
  expect(await unloads('tiny-b')).toBe(0);
  expect(sleeper.childPid('tiny-s')).toBeUndefined();
  await isNow('tiny-b', 'loaded');
  const audited = () =>
    readFileSync(join(folder, 'audit.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  await until('the audit', () => audited().some(({ routers }) => routers?.[0]?.router === nameOf(router)));
  expect(audited()).toContainEqual(
    expect.objectContaining({
      kind: 'operation',
      trigger: 'policy',
      reason: 'idle for 2s',
      outcome: 'success',
      routers: [
        {
          router: nameOf(router),
          models: [{ model: 'tiny-a', result: 'unloaded', seconds: expect.any(Number) }],
        },
      ],
    }),
  );
});

it('unloads models loaded during an enforced hold, but never while they generate', async () => {
  await start('policy: { interval: 1s, hold_grace: 1s }');
  await hold(600);
  await isUnloaded('tiny-b'); // It was there and idle.
  const generation = await keepBusy(router, 'mid');
  await exporter.untilValue('llama_router_model_busy', { model: 'mid' }, 1);
  await complete(router, 'tiny-a', { tokens: 1 });
  await isUnloaded('tiny-a');
  expect(await generation.finish()).toBe(true);
  await isUnloaded('mid');
  await exporter.untilValue('llama_router_hold_enforced_unloads_total', { router: nameOf(router) }, 3);
});
