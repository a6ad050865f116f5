import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { LIVING_CARD_TIMEOUT, playLivingCard } from '../support/fake-nvidia-smi.ts';
import { load, runningOn, untilItHears } from '../support/orders.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { endsOf, loadsOf } from '../support/router-log.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';

/** Two exporters on one router, and a person who loads models with plain requests: they do not fight. */

const MODELS = ['tiny-a', 'tiny-b', 'tiny-c'].map((name) => `${name}-${process.pid}`);
const [A = '', B = ''] = MODELS;
const MEBIBYTE = 1024 * 1024;

let router: RealRouter;
let one: RunningExporter;
let other: RunningExporter;

beforeEach(async () => {
  router = await startRealRouter({ models: MODELS });
});
afterEach(async () => {
  await Promise.all([one?.stop(), other?.stop()]);
  await router?.stop();
});

async function start(flags: Record<string, string> = {}): Promise<RunningExporter> {
  const file = join(scratchFolder(), 'config.yml');
  writeFileSync(
    file,
    `
policy: { interval: 1s, hold_grace: 1s, idle: [{ after: 2s }] }
unload: { cooldown: 1s, loop_pause_min: 1m }
engine: { interval: 1s }
`,
  );
  return startExporter([router.url], { 'config.file': file, ...flags });
}

async function ask<T>({ url }: RunningExporter, method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await answer.json()) as T;
}

interface HoldView {
  id: string;
  state: string;
  why: string | null;
}

const place = (exporter: RunningExporter, body: object) =>
  ask<HoldView>(exporter, 'POST', 'holds', { ttl_seconds: 600, ...body });
const release = (exporter: RunningExporter, { id }: HoldView) =>
  ask<HoldView>(exporter, 'DELETE', `holds/${id}`);

const ALERT = { status: 'firing', labels: { alertname: 'GpuMemoryHigh', action: 'unload' }, annotations: {} };
const alert = (exporter: RunningExporter) =>
  ask(exporter, 'POST', 'alertmanager', { version: '4', status: 'firing', alerts: [ALERT] });

interface OperationView {
  trigger: string;
  outcome: string | null;
  routers: { models: { result: string | null }[] }[];
}

/** How many models the operations of a trigger have brought to this result. */
async function done(exporter: RunningExporter, trigger: string, result: string): Promise<number> {
  const { operations } = await ask<{ operations: OperationView[] }>(exporter, 'GET', 'operations?limit=100');
  return operations
    .filter((operation) => operation.trigger === trigger)
    .flatMap(({ routers }) => routers.flatMap(({ models }) => models))
    .filter((model) => model.result === result).length;
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, count) => all + count, 0);
const loads = () => sum(loadsOf(router));
const changes = () => loads() + sum(endsOf(router));

/** Resolves when no model was loaded or unloaded for longer than any policy waits. */
async function untilAtRest(): Promise<void> {
  let [last, since] = [changes(), performance.now()];
  await until(
    'no model to be loaded or unloaded for 4 s',
    () => {
      if (changes() !== last) [last, since] = [changes(), performance.now()];
      return performance.now() - since > 4000;
    },
    { everyMs: 100, timeoutMs: 120_000 },
  );
}

it('a model that one restores into an enforced hold of the other is unloaded there, and is not loaded again', async () => {
  [one, other] = await Promise.all([start(), start()]);
  await load(router, ...MODELS);
  await untilItHears();
  const terms = { unload: 'all', restore: true, enforce: true };
  const [first, second] = [await place(one, terms), await place(other, terms)];
  expect([first.state, second.state]).toEqual(['active', 'active']);
  await release(one, first);
  await until('the restore', async () => (await done(one, 'restore', 'loaded')) === MODELS.length);
  await until('the hold to be enforced', async () => (await runningOn(router)).length === 0);
  await untilAtRest();
  await release(other, second);
  await untilAtRest();
  expect(loadsOf(router)).toEqual(Object.fromEntries(MODELS.map((model) => [model, 2])));
  expect(endsOf(router)).toEqual(loadsOf(router));
});

it('every load has one origin while holds, restores, policies, alerts and a person meet, and all comes to rest', async () => {
  [one, other] = await Promise.all([start(), start()]);
  await load(router, A);
  let asked = 1;
  let over = false;
  const exporters = [one, other];
  const person = async () => {
    for (let turn = 0; !over; turn += 1) {
      asked += 1;
      await complete(router, MODELS[turn % MODELS.length] as string, { tokens: 1 });
      await sleep(400);
    }
  };
  const alerts = async () => {
    while (!over) {
      await Promise.all(exporters.map(alert));
      await sleep(1000);
    }
  };
  const job = async (exporter: RunningExporter, seconds: number, enforce: boolean) => {
    while (!over) {
      const hold = await place(exporter, { unload: 'all', restore: true, enforce });
      await sleep(seconds * 1000);
      await release(exporter, hold);
      await sleep(2000);
    }
  };
  const all = [person(), alerts(), job(one, 1.1, false), job(other, 1.7, true)];
  await sleep(12_000);
  over = true;
  await Promise.all(all);
  const before = loads();
  await untilAtRest();

  const lent = await total('api', 'unloaded');
  const restored = await total('restore', 'loaded');
  // What the last holds have lent may still have been on its way back.
  expect(loads() - before).toBeLessThanOrEqual(2 * MODELS.length);
  expect(restored).toBeLessThanOrEqual(lent);
  expect(loads()).toBeLessThanOrEqual(asked + restored);

  async function total(trigger: string, result: string): Promise<number> {
    const counts = await Promise.all(exporters.map((exporter) => done(exporter, trigger, result)));
    return counts.reduce((all, count) => all + count, 0);
  }
});

it('a hold does not race with a client that loads the same model again and again: it fails and says so', async () => {
  one = await start({
    'memory.timeout': LIVING_CARD_TIMEOUT,
    'memory.nvidia-smi': playLivingCard({ baseMiB: 500, perModelMiB: { [A]: 6000, [B]: 6000 } }),
  });
  await load(router, A, B);
  await untilItHears();
  let over = false;
  const person = (async () => {
    while (!over) {
      await complete(router, A, { tokens: 1 });
      await sleep(20);
    }
  })();
  const need = { need_bytes: 20_000 * MEBIBYTE, restore: true, wait: 60 };
  const hold = await until('an answer', async () => {
    const answer = await place(one, need);
    return answer.id !== undefined && answer;
  });
  over = true;
  await person;
  expect(hold).toMatchObject({ state: 'failed', why: expect.stringContaining(`${A}: it was loaded again`) });
  expect(loadsOf(router)[A]).toBeLessThanOrEqual(3);
});
