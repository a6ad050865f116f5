import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Operation } from '../../src/unload/report.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { LIVING_CARD_TIMEOUT, playLivingCard } from '../support/fake-nvidia-smi.ts';
import { freePort } from '../support/free-port.ts';
import { type BusyModel, empty, keepBusy, load, runningOn } from '../support/orders.ts';
import {
  type Monitor,
  type PairVersion,
  type Prometheus,
  pairVersions,
  startAlertmanager,
  startPrometheus,
} from '../support/prometheus.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { type RootedProcess, startRooted } from '../support/rooted-process.ts';
import { allRules, rulesFolder, yamlFiles } from '../support/rule-files.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { type Substitution, substitute } from '../support/substitute.ts';
import { until } from '../support/until.ts';

/** The fake card counts every process with such a model on this machine: no other test may use them. */
const nameHere = (name: string) => `${name}-${process.pid}`;
const BUSY = nameHere('mid');
const [ASKED_FOR, ...OTHERS] = ['tiny-a', 'tiny-b', 'tiny-c'].map(nameHere) as [string, string, string];
const IDLE = [ASKED_FOR, ...OTHERS];

const MEBIBYTE = 1024 * 1024;
/** A program that is no model of the router. */
const GAME = nameHere('game');
/** Of 24,576 MiB: with all models 85 %, and with the game 96 %; without the idle models 35 %. */
const CARD = {
  baseMiB: 1000,
  perModelMiB: { [BUSY]: 5000, [GAME]: 2500, ...Object.fromEntries(IDLE.map((model) => [model, 5000])) },
};
const LEFT_BYTES = (1000 + 5000 + 2500) * MEBIBYTE;
const FULL_BYTES = LEFT_BYTES + 3 * 5000 * MEBIBYTE;

/** Enough for all servers to start on a busy machine. */
const PATIENTLY = { timeoutMs: 120_000, everyMs: 100 };

/** Shorter times than the shipped ones: 1 s instead of 5 s, 3 s instead of 10 min. */
const FASTER: Readonly<Record<string, readonly Substitution[]>> = {
  'alerts.yml': [
    { of: 'interval: 5s', by: 'interval: 1s' },
    { of: 'for: 30s', by: 'for: 2s' },
  ],
  'gpu-memory.yml': [{ of: 'interval: 5s', by: 'interval: 1s' }],
  'hosts.yml': [{ of: 'interval: 5s', by: 'interval: 1s' }],
  'idle-models.yml': [{ of: 'interval: 5s', by: 'interval: 1s' }],
  'thresholds.yml': [{ of: 'vector(600)', by: 'vector(3)' }],
};

const TOKENS = { alertmanager: 'token-of-alertmanager', operator: 'token-of-an-operator' };

const shipped = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

let router: RealRouter;
let folder: string;

beforeAll(async () => {
  folder = makeRunFolder('chain');
  mkdirSync(join(folder, 'rules'));
  const files = yamlFiles(rulesFolder);
  // A file that is renamed is not to be forgotten.
  expect(files.map((file) => basename(file)).sort()).toEqual(Object.keys(FASTER).sort());
  for (const file of files) {
    const name = basename(file);
    writeFileSync(join(folder, 'rules', name), substitute(readFileSync(file, 'utf8'), FASTER[name] ?? []));
  }
  for (const [name, token] of Object.entries(TOKENS)) writeFileSync(join(folder, name), `${token}\n`);
  const tokens = Object.keys(TOKENS).map(
    (name) => `    - { name: ${name}, token_file: ${join(folder, name)} }`,
  );
  writeFileSync(join(folder, 'config.yml'), `auth:\n  tokens:\n${tokens.join('\n')}\n`);
  router = await startRealRouter({ models: [BUSY, ...IDLE], modelsMax: 0 });
});
afterAll(async () => {
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The shipped file with other addresses and shorter intervals. */
function anAlertmanager(version: PairVersion, exporter: RunningExporter): Promise<Monitor> {
  const config = substitute(shipped('alertmanager/alertmanager.yml'), [
    { of: 'http://exporter:10180/', by: `${exporter.url}/` },
    { of: '/run/secrets/exporter_token', by: join(folder, 'alertmanager'), times: 2 },
    { of: 'group_interval: 30s', by: 'group_interval: 1s' },
  ]);
  return startAlertmanager({ version, config, folders: [folder] });
}

/** The shipped file with other addresses and shorter intervals. */
async function aPrometheus(
  version: PairVersion,
  exporter: RunningExporter,
  alertmanager: Monitor,
): Promise<Prometheus> {
  const port = await freePort();
  const config = substitute(shipped('prometheus/prometheus.yml'), [
    { of: "'exporter:10180'", by: `'${hostOf(exporter)}'` },
    { of: "'alertmanager:9093'", by: `'${hostOf(alertmanager)}'`, times: 2 },
    { of: 'localhost:9090', by: `127.0.0.1:${port}` },
    { of: 'rules/*.yml', by: join(folder, 'rules', '*.yml') },
    { of: '_interval: 15s', by: '_interval: 1s', times: 2 },
    { of: 'scrape_interval: 5s', by: 'scrape_interval: 1s' },
    { of: 'scrape_timeout: 4s', by: 'scrape_timeout: 1s' },
  ]);
  return startPrometheus({ version, config, port, folders: [folder] });
}

const hostOf = ({ url }: { url: string }) => new URL(url).host;

describe.each(pairVersions)('a full GPU, from Prometheus through Alertmanager (%s)', (version) => {
  let exporter: RunningExporter;
  let alertmanager: Monitor;
  let prometheus: Prometheus;
  let generation: BusyModel;
  let game: RootedProcess;
  /** When the game started, and when the alert about it fired. */
  let fullAt = 0;
  let firingAt = 0;

  beforeAll(async () => {
    await empty(router);
    exporter = await startExporter([router.url], {
      'config.file': join(folder, 'config.yml'),
      'memory.nvidia-smi': playLivingCard(CARD),
      'memory.interval': '1s',
      'memory.timeout': LIVING_CARD_TIMEOUT,
      'engine.interval': '1s',
    });
    alertmanager = await anAlertmanager(version, exporter);
    prometheus = await aPrometheus(version, exporter, alertmanager);
    await until('all three to be scraped', async () => (await count('up == 1')) === 3, PATIENTLY);
    await until('the card', async () => (await used()) === CARD.baseMiB * MEBIBYTE, PATIENTLY);
  });
  afterAll(async () => {
    await game?.end('SIGKILL');
    await prometheus?.stop();
    await alertmanager?.stop();
    await exporter?.stop();
  });

  const count = async (promql: string) => (await prometheus.query(promql)).length;
  const used = async () => (await prometheus.query('llama_router_gpu_memory_used_bytes'))[0]?.value;
  const firing = (alert: string) => prometheus.query(`ALERTS{alertname="${alert}",alertstate="firing"}`);
  const hasFired = (alert: string) =>
    prometheus.query(`last_over_time(ALERTS{alertname="${alert}",alertstate="firing"}[10m])`);

  /** The alerts of this name in Alertmanager, with their receivers. */
  async function received(alert: string): Promise<{ receivers: string[]; startsAt: string }[]> {
    const alerts = (await alertmanager.api(`/api/v2/alerts?filter=alertname%3D${alert}`)) as {
      receivers: { name: string }[];
      startsAt: string;
    }[];
    return alerts.map(({ receivers, startsAt }) => ({
      receivers: receivers.map(({ name }) => name).sort(),
      startsAt,
    }));
  }

  /** The first of the alerts that `ask` finds, as soon as there is one. */
  async function seen<Alert>(who: string, ask: () => Promise<Alert[]>): Promise<Alert | undefined> {
    const alerts = async () => {
      const found = await ask();
      return found.length > 0 && found;
    };
    return (await until(`the alert in ${who}`, alerts, PATIENTLY))[0];
  }

  /** For `npm run bench -- threshold`, which names a file: appends the seconds of each step from a full GPU to a free one. */
  function noteSteps({ started_at, duration_seconds }: Operation): void {
    const file = process.env.CHAIN_TIMES;
    if (file === undefined) return;
    const steps = [firingAt - fullAt, Date.parse(started_at) - firingAt].map((ms) => ms / 1000);
    appendFileSync(file, `${JSON.stringify([...steps, duration_seconds])}\n`);
  }

  async function secondsSinceFreed(): Promise<number> {
    const [last] = await prometheus.query('time() - llama_router_last_unload_timestamp_seconds');
    return Math.ceil(last?.value ?? 0);
  }

  async function operations(): Promise<Operation[]> {
    const answer = await fetch(`${exporter.url}/api/v1/operations`);
    return ((await answer.json()) as { operations: Operation[] }).operations;
  }

  /** An operator unloads a model, and waits until it is gone. */
  async function unload(model: string): Promise<void> {
    const answer = await fetch(`${exporter.url}/api/v1/unload`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKENS.operator}` },
      body: JSON.stringify({ models: [model], wait: 60 }),
    });
    expect(await answer.json()).toMatchObject({ outcome: 'success', summary: { unloaded: 1 } });
  }

  it('fires when idle models hold a part of it, and notifies the exporter and the people', async () => {
    generation = await keepBusy(router, BUSY);
    await load(router, ...IDLE);
    // Only then is memory short: however long the loads took, all of them are to be unloaded.
    const idle = 'llama_router:model_idle:seconds >= scalar(llama_router:threshold:model_idle_seconds)';
    await until('the models to be idle', async () => (await count(idle)) === IDLE.length, PATIENTLY);
    const args = ['-e', 'setTimeout(() => {}, 2 ** 31 - 1)', '--', '--alias', GAME, '--port', '1'];
    fullAt = Date.now();
    game = await startRooted({ command: process.execPath, args }, join(folder, `${version}.game.log`));
    // Side by side: it does not last.
    const [alert, told] = await Promise.all([
      seen('Prometheus', () => hasFired('LlamaRouterMemoryHeldByIdleModels')),
      seen('Alertmanager', () => received('LlamaRouterMemoryHeldByIdleModels')),
    ]);
    expect(alert?.metric).toMatchObject({ router: hostOf(router), host: '127.0.0.1', action: 'unload' });
    expect(told?.receivers).toEqual(['exporter', 'people']);
    firingAt = Date.parse(told?.startsAt ?? '');
  });

  it('unloads the idle models, leaves the busy one, and reports the freed memory', async () => {
    const [operation] = await until(
      'the unload',
      async () => {
        const ended = (await operations()).filter(({ outcome }) => outcome !== null);
        return ended.length > 0 && ended;
      },
      PATIENTLY,
    );
    noteSteps(operation as Operation);
    const unloaded = (model: string) => ({ model, result: 'unloaded', seconds: expect.any(Number) });
    expect(operation).toMatchObject({
      trigger: 'alertmanager',
      caller: { name: 'alertmanager' },
      reason: expect.stringMatching(/^LlamaRouterMemoryHeldByIdleModels: /),
      outcome: 'success',
      summary: { unloaded: 3, already_unloaded: 0, kept: 1, busy: 0, failed: 0 },
      routers: [
        {
          router: hostOf(router),
          models: [...IDLE.map(unloaded), { model: BUSY, result: 'kept', detail: 'it is in use' }],
          memory: {
            before_bytes: FULL_BYTES,
            after_bytes: LEFT_BYTES,
            freed_bytes: FULL_BYTES - LEFT_BYTES,
          },
        },
      ],
    });
    expect(await runningOn(router)).toEqual([BUSY]);
  });

  it('shows in Prometheus that the operation freed the memory', async () => {
    await until('the memory to be free', async () => (await used()) === LEFT_BYTES, PATIENTLY);
    const freed = `llama_router_unload_freed_bytes_total == ${FULL_BYTES - LEFT_BYTES}`;
    await until('it to be counted', async () => (await count(freed)) === 1, PATIENTLY);
  });

  it('ends the alert in Prometheus and in Alertmanager, after one operation', async () => {
    const alert = 'LlamaRouterMemoryHeldByIdleModels';
    await until('the end in Prometheus', async () => (await firing(alert)).length === 0, PATIENTLY);
    await until('the end in Alertmanager', async () => (await received(alert)).length === 0, PATIENTLY);
    expect(await operations()).toHaveLength(1);
    expect(await exporter.value('llama_router_unload_operations_total', { outcome: 'success' })).toBe(1);
  });

  it('would have fired for these models if no memory had become free', async () => {
    const { expr = '' } = allRules().find(({ alert }) => alert === 'LlamaRouterMemoryNotFreed') ?? {};
    const soon = substitute(expr, [
      { of: '[16m]', by: '[5m]' },
      { of: '[10m] offset 6m', by: '[5m]' },
    ]);
    const models = async (promql: string) =>
      (await prometheus.query(promql)).map(({ metric }) => metric.model).sort();
    const blind = substitute(soon, [{ of: 'freed_bytes_total offset 16m', by: 'freed_bytes_total' }]);
    expect(await models(blind)).toEqual(IDLE);
    const seconds = await secondsSinceFreed();
    const seeing = substitute(soon, [{ of: 'offset 16m', by: `offset ${seconds + 2}s` }]);
    expect(await models(seeing)).toEqual([]);
  });

  it('names the model in a reload loop', async () => {
    const comesBack = async () => expect((await complete(router, ASKED_FOR, { tokens: 1 })).status).toBe(200);
    await comesBack();
    for (const _ of ['twice', 'three times']) {
      expect(await firing('LlamaRouterReloadLoop')).toEqual([]);
      await unload(ASKED_FOR);
      await comesBack();
    }
    await seen('Prometheus', () => firing('LlamaRouterReloadLoop'));
    const alerts = await firing('LlamaRouterReloadLoop');
    expect(alerts.map(({ metric }) => [metric.router, metric.model])).toEqual([[hostOf(router), ASKED_FOR]]);
    const told = await seen('Alertmanager', () => received('LlamaRouterReloadLoop'));
    expect(told?.receivers).toEqual(['people']);
  });

  it('leaves the busy model to its client to the end, and fires no other alert', async () => {
    expect(await generation.finish()).toBe(true);
    const fired = 'ALERTS{alertname=~"LlamaRouter.+",alertstate="firing"}';
    const alerts = await prometheus.query(`count by (alertname) (${fired})`);
    expect(alerts.map(({ metric }) => metric.alertname)).toEqual(['LlamaRouterReloadLoop']);
    expect((await operations()).map(({ trigger }) => trigger)).toEqual(['api', 'api', 'alertmanager']);
  });
});
