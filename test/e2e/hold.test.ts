import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { LIVING_CARD_TIMEOUT, playLivingCard } from '../support/fake-nvidia-smi.ts';
import { type BusyModel, keepBusy, load, statusesOf, untilItHears } from '../support/orders.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { loadsOf } from '../support/router-log.ts';
import { until } from '../support/until.ts';

/** Holds on a real llama-server, by an exporter that is a process of its own and may be killed. */

const MEBIBYTE = 1024 * 1024;
/** Loads take long enough to be stopped, with names of their own for the fake card. */
const [A, B, C] = ['a', 'b', 'c'].map((name) => `mid-${name}-${process.pid}`) as [string, string, string];
const ALL = [A, B, C];

let router: RealRouter;
let exporter: ExporterProcess;
let busy: BusyModel | undefined;

beforeEach(async () => {
  router = await startRealRouter({ models: ALL });
});
afterEach(async () => {
  await busy?.finish();
  busy = undefined;
  await exporter?.stop();
  await router?.stop();
});

interface HoldView {
  id: string;
  state: string;
  why: string | null;
  operation: string;
}

interface OperationView {
  trigger: string;
  action: string;
  outcome: string | null;
  reason: string;
  routers: { models: { model: string; result: string | null; detail?: string }[] }[];
}

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${exporter.url}/api/v1/${path}`, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** Places a hold without waiting for it; `unload: all` and `restore` unless `body` says otherwise. */
const place = (body: object = {}) =>
  ask<HoldView>('POST', 'holds', { ttl_seconds: 600, unload: 'all', restore: true, wait: false, ...body });
const release = ({ id }: HoldView) => ask<HoldView>('DELETE', `holds/${id}`);
const isOver = ({ id }: HoldView) => ask<HoldView>('GET', `holds/${id}?wait=60`);
const standing = async () => (await ask<{ holds: HoldView[] }>('GET', 'holds')).holds;
const gate = async (query = '') => (await fetch(`${exporter.url}/api/v1/gate${query}`)).status;

/** The finished restores, the oldest first. */
async function restores(): Promise<OperationView[]> {
  const { operations } = await ask<{ operations: OperationView[] }>('GET', 'operations');
  return operations.filter(({ trigger, outcome }) => trigger === 'restore' && outcome !== null).toReversed();
}

/** The result for each model of an operation. */
const resultsOf = ({ routers }: OperationView) =>
  Object.fromEntries(routers.flatMap(({ models }) => models.map(({ model, result }) => [model, result])));

const untilRestored = (count = 1) =>
  until('the report of a restore', async () => (await restores()).length >= count);

const every = (value: string | number, models = ALL) =>
  Object.fromEntries(models.map((model) => [model, value]));

const isEqual = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

const untilUnloaded = (models: readonly string[]) =>
  until(`${models.join(', ')} to be unloaded`, async () => {
    const statuses = await statusesOf(router);
    return models.every((model) => statuses[model] === 'unloaded');
  });

/** Resolves while the first model is loading, which does not go on before `resume`. */
async function stopTheFirstLoad(): Promise<{ model: string; resume(): void }> {
  const started = () => ALL.find((model) => router.childPid(model) !== undefined);
  const model = await until('a load', started, { everyMs: 1 });
  const pid = router.childPid(model) as number;
  process.kill(pid, 'SIGSTOP');
  expect(await statusesOf(router)).toMatchObject({ [model]: 'loading' });
  return { model, resume: () => void process.kill(pid, 'SIGCONT') };
}

it('a hold waits for a busy model, is active when the memory is measured free, and is undone at its end', async () => {
  const card = { baseMiB: 500, perModelMiB: every(6000), totalMiB: 24_576 };
  exporter = await startExporterProcess([router], {
    'memory.timeout': LIVING_CARD_TIMEOUT,
    'memory.nvidia-smi': playLivingCard(card as Parameters<typeof playLivingCard>[0]),
  });
  await load(router, A, B);
  busy = await keepBusy(router, B);
  const needBytes = 24_000 * MEBIBYTE;
  const hold = await until('the first measurement', () =>
    place({ need_bytes: needBytes }).catch(() => false as const),
  );
  expect(hold).toMatchObject({ state: 'preparing', why: null });
  await untilUnloaded([A]);
  expect([await gate(), (await standing())[0]?.state]).toEqual([503, 'preparing']);
  expect(await statusesOf(router)).toMatchObject({ [B]: 'loaded' });

  const waiting = gate('?wait=120');
  expect(await busy.finish()).toBe(true);
  expect(await isOver(hold)).toMatchObject({ state: 'active', why: null });
  expect(await statusesOf(router)).toEqual(every('unloaded'));
  expect(await gate()).toBe(503);
  const during = await ask<object>('GET', `operations/${hold.operation}`);
  expect(during).toMatchObject({
    outcome: 'success',
    routers: [{ memory: { after_bytes: 500 * MEBIBYTE, freed_bytes: 12_000 * MEBIBYTE } }],
  });

  await release(hold);
  expect(await waiting).toBe(204);
  await untilRestored();
  expect(await restores()).toMatchObject([
    {
      trigger: 'restore',
      action: 'load',
      outcome: 'success',
      reason: 'the hold of loopback has ended',
      // The model that was in use comes first.
      routers: [
        {
          models: [
            { model: B, result: 'loaded' },
            { model: A, result: 'loaded' },
          ],
        },
      ],
    },
  ]);
  expect(await statusesOf(router)).toEqual({ ...every('loaded', [A, B]), [C]: 'unloaded' });
  expect(loadsOf(router)).toEqual(every(2, [A, B]));
});

describe('an exporter that is killed', () => {
  beforeEach(async () => {
    exporter = await startExporterProcess([router]);
    await load(router, ...ALL);
    await untilItHears();
  });

  it('while it prepares a hold, prepares it again and restores what it unloaded before', async () => {
    busy = await keepBusy(router, C);
    const hold = await place();
    await untilUnloaded([A, B]);
    await exporter.kill();

    await exporter.start();
    expect(await standing()).toMatchObject([{ id: hold.id, state: 'preparing' }]);
    expect([await gate(), loadsOf(router)]).toEqual([503, every(1)]);
    expect(await busy.finish()).toBe(true);
    expect(await isOver(hold)).toMatchObject({ state: 'active' });
    await release(hold);
    await untilRestored();
    expect((await restores()).map(resultsOf)).toEqual([every('loaded')]);
    expect([await statusesOf(router), loadsOf(router)]).toEqual([every('loaded'), every(2)]);
  });

  it('during a restore, loads the rest once', async () => {
    await activeHold();
    const [hold] = await standing();
    const [stopped] = await Promise.all([stopTheFirstLoad(), release(hold as HoldView)]);
    await exporter.kill();

    await exporter.start();
    expect(loadsOf(router)).toMatchObject({ [stopped.model]: 2 });
    stopped.resume();
    await untilRestored();
    const others = ALL.filter((model) => model !== stopped.model);
    expect((await restores()).map(resultsOf)).toMatchObject([every('loaded', others)]);
    await until('all to be loaded', async () => isEqual(await statusesOf(router), every('loaded')));
    expect(loadsOf(router)).toEqual(every(2));
  });

  it('while a hold stands that expires before the next start, restores then', async () => {
    await activeHold();
    await killUntilExpired();
    await exporter.start();
    await untilRestored();
    expect([await standing(), await statusesOf(router), loadsOf(router)]).toEqual([
      [],
      every('loaded'),
      every(2),
    ]);
  });

  it('does not restore into another hold that stands', async () => {
    await activeHold();
    const [first] = await standing();
    const other = await place({ unload: 'none', restore: false });
    await killUntilExpired(first);
    await exporter.start();
    expect(await standing()).toMatchObject([{ id: other.id, state: 'active' }]);
    expect([await gate(), loadsOf(router)]).toEqual([503, every(1)]);
    await release(other);
    await untilRestored();
    expect([await restores(), loadsOf(router)]).toEqual([[expect.anything()], every(2)]);
  });

  it('restores when the router is back that was down at its start', async () => {
    await activeHold();
    await killUntilExpired();
    await router.kill();
    await exporter.start();
    await router.restart();
    await until('all to be loaded', async () => isEqual(await statusesOf(router), every('loaded')));
    expect(loadsOf(router)).toEqual(every(2));
  });

  const activeHold = async () => expect(await isOver(await place())).toMatchObject({ state: 'active' });

  /** Has a hold expire soon, and kills the exporter before. */
  async function killUntilExpired(hold?: HoldView): Promise<void> {
    const { id } = hold ?? ((await standing())[0] as HoldView);
    const { until: end } = await ask<{ until: string }>('PATCH', `holds/${id}`, { ttl_seconds: 1.5 });
    await exporter.kill();
    expect(Date.now()).toBeLessThan(Date.parse(end));
    await until('the end of the hold', () => Date.now() > Date.parse(end));
  }
});
