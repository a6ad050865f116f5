import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { buildImage, type Image } from '../support/built-image.ts';
import { CHECKOUT, type Composed, compose } from '../support/compose-file.ts';
import { type Containers, createContainers } from '../support/container.ts';
import { placeModel } from '../support/model-files.ts';
import { runRooted } from '../support/rooted-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

/** What an installation contains: the checkout without development files. */
const SHIPPED = ['docker-compose.yml', 'deploy', 'prometheus', 'alertmanager', 'grafana'];

const PATIENTLY = { timeoutMs: 120_000, everyMs: 250 };

let folder: string;
let image: Image;
let stack: Containers;
let demo: Containers;

/** One was prepared, the other was not. Both run at once, each in its own network. */
const shipped = (name: 'prepared' | 'untouched') => join(folder, name);

beforeAll(async () => {
  folder = makeRunFolder('install');
  for (const place of [shipped('prepared'), shipped('untouched')]) {
    for (const name of SHIPPED) cpSync(join(CHECKOUT, name), join(place, name), { recursive: true });
  }
  mkdirSync(join(folder, 'image'));
  image = await buildImage(join(folder, 'image'));

  const prepare = join(shipped('prepared'), 'deploy/compose/prepare.sh');
  expect(runRooted({ command: prepare, args: [] })).toMatchObject({ code: 0 });
  for (const id of ['tiny-a', 'tiny-b']) placeModel(join(shipped('prepared'), 'models'), id);
  [stack, demo] = await Promise.all([
    start(compose(shipped('prepared')), 'stack'),
    start(compose(shipped('untouched'), '--profile', 'demo'), 'demo'),
  ]);
}, 600_000);
afterAll(async () => {
  await Promise.all([stack?.stop(), demo?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Images for the services whose programs are installed. Grafana and Open WebUI are not started. */
function imagesOf({ services }: Composed): Record<string, Image> {
  const debian = (program: string): Image => ({ root: sidRoot, entrypoint: [program], user: '65534:65534' });
  const programs: [RegExp, Image][] = [
    [/^llama-router-exporter:/, image],
    [/\/prom\/prometheus:/, debian('/usr/bin/prometheus')],
    [/\/prom\/alertmanager:/, debian('/usr/bin/prometheus-alertmanager')],
    [/\/llama\.cpp:server-/, debian('/usr/bin/llama-server')],
  ];
  return Object.fromEntries(
    Object.values(services).flatMap((service) => {
      const stand = programs.find(([name]) => name.test(service.image));
      return stand ? [[service.image, stand[1]]] : [];
    }),
  );
}

/** Starts each service once those are healthy that it waits for. */
async function start(composed: Composed, name: string): Promise<Containers> {
  const own = join(folder, name);
  mkdirSync(own);
  const images = imagesOf(composed);
  const containers = await createContainers(composed, images, own);
  const wanted = Object.entries(composed.services).filter(([, service]) => images[service.image]);
  const healthy = new Set<string>();
  while (healthy.size < wanted.length) {
    const next = wanted.filter(
      ([each, { depends_on = {} }]) =>
        !healthy.has(each) && Object.keys(depends_on).every((other) => healthy.has(other)),
    );
    if (next.length === 0)
      throw new Error(
        `what is left waits for what does not run: ${Object.keys(composed.services).join(', ')}`,
      );
    await Promise.all(next.map(([each]) => containers.start(each)));
    for (const [each] of next) {
      await until(`${each} to be healthy`, () => containers.isHealthy(each), PATIENTLY).catch((error) => {
        throw new Error(`${String(error)}. It said:\n${containers.log(each)}`);
      });
      healthy.add(each);
    }
  }
  return containers;
}

/** The state of each target that Prometheus scrapes, by job. */
function targets(containers: Containers): Record<string, string> {
  const { data } = containers.ask('http://127.0.0.1:9090/api/v1/targets') as {
    data: { activeTargets: { labels: { job: string }; health: string }[] };
  };
  return Object.fromEntries(data.activeTargets.map(({ labels, health }) => [labels.job, health]));
}

/** Each target is scraped for the first time within its interval. */
async function untilAllAreUp(containers: Containers): Promise<void> {
  const all = { 'llama-router-exporter': 'up', prometheus: 'up', alertmanager: 'up' };
  await until('the first scrapes', () => !Object.values(targets(containers)).includes('unknown'), PATIENTLY);
  expect(targets(containers)).toEqual(all);
}

function query(containers: Containers, promql: string): number[] {
  const url = `http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(promql)}`;
  const { data } = containers.ask(url) as { data: { result: { value: [number, string] }[] } };
  return data.result.map(({ value }) => Number(value[1]));
}

describe('the image', () => {
  it('has labels, runs without an owner and contains no build tools', () => {
    const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8'));
    expect(image).toMatchObject({
      user: '1000:1000',
      entrypoint: ['node', '/app/main.mjs'],
      command: ['serve'],
      environment: { NODE_ENV: 'production' },
      labels: {
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'MIT',
      },
    });
    const files = readdirSync(join(image.root, 'app'));
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'THIRD-PARTY-NOTICES.txt', 'main.mjs', 'sbom.cdx.json']),
    );
    expect(files.filter((file) => !/\.(mjs|cjs|txt)$|^LICENSE$|^sbom\.cdx\.json$/.test(file))).toEqual([]);
    const { uid, mode } = statSync(join(image.root, 'var/lib/llama-router-exporter'));
    expect([uid, mode & 0o777]).toEqual([1000, 0o750]);
  });
});

/** The answers to a client with the token of this file. */
function tryUnload(containers: Containers, tokenFile: string): unknown {
  const token = readFileSync(tokenFile, 'utf8').trim();
  return containers.ask(
    'http://127.0.0.1:10180/api/v1/unload-all',
    '-H',
    `Authorization: Bearer ${token}`,
    '-d',
    '{"dry_run": true}',
    '-H',
    'Content-Type: application/json',
  );
}

describe('the stack, prepared by prepare.sh', () => {
  const secretFile = (name: string) => join(shipped('prepared'), 'secrets', name);
  const exporter = 'http://127.0.0.1:10180';
  const bearer = (name: string) => ['-H', `Authorization: Bearer ${readFileSync(secretFile(name), 'utf8')}`];
  const statuses = () => {
    const { models } = stack.ask(`${exporter}/api/v1/models`) as {
      models: { id: string; status: string }[];
    };
    return Object.fromEntries(models.map(({ id, status }) => [id, status]));
  };

  it('has all targets up, all rules loaded and an Alertmanager connected', async () => {
    await until('the targets to be known', () => Object.keys(targets(stack)).length === 3, PATIENTLY);
    await untilAllAreUp(stack);
    expect(query(stack, 'llama_router_up')).toEqual([1]);
    const { data: rules } = stack.ask('http://127.0.0.1:9090/api/v1/rules') as {
      data: { groups: { rules: { lastError?: string }[] }[] };
    };
    expect(rules.groups.length).toBeGreaterThan(4);
    const { data: known } = stack.ask('http://127.0.0.1:9090/api/v1/alertmanagers') as {
      data: { activeAlertmanagers: { url: string }[] };
    };
    expect(known.activeAlertmanagers).toMatchObject([{ url: 'http://alertmanager:9093/api/v2/alerts' }]);
  });

  it('requires the token for actions and the key for chats', () => {
    expect(stack.ask(`${exporter}/api/v1/unload-all`, '-X', 'POST')).toMatchObject({ status: 401 });
    expect(stack.ask('http://127.0.0.1:8080/models')).toMatchObject({ error: { code: 401 } });
    expect(tryUnload(stack, secretFile('operator_token'))).toMatchObject({ outcome: 'dry_run' });
  });

  it("unloads the models of an alert with Alertmanager's token", async () => {
    stack.ask('http://127.0.0.1:8080/models/load', ...bearer('llama_api_key'), '-d', '{"model":"tiny-a"}');
    await until('tiny-a to be loaded', () => statuses()['tiny-a'] === 'loaded', PATIENTLY);
    const alert = {
      labels: { alertname: 'Test', action: 'unload', router: 'llama-server:8080' },
      annotations: { unload_models: 'tiny-a' },
    };
    const json = ['-H', 'Content-Type: application/json'];
    stack.run('curl', '-sSf', ...json, '-d', JSON.stringify([alert]), 'http://127.0.0.1:9093/api/v2/alerts');
    await until('tiny-a to be unloaded', () => statuses()['tiny-a'] === 'unloaded', PATIENTLY);
    const { operations } = stack.ask(`${exporter}/api/v1/operations`) as { operations: object[] };
    expect(operations[0]).toMatchObject({
      trigger: 'alertmanager',
      caller: { name: 'alertmanager' },
      outcome: 'success',
    });
  });

  it('keeps state and audit on a volume, and cannot write elsewhere', () => {
    const audit = readFileSync(join(folder, 'stack/volumes/exporter/audit.jsonl'), 'utf8');
    expect(audit).toContain('"trigger":"alertmanager"');
    // Even for root, as which this looks.
    const { output } = stack.inside('exporter', 'sh', '-c', ': >/tmp/file; : >/app/file');
    expect(output).toMatch(/cannot create \/app\/file: Read-only file system/);
    expect(output).not.toMatch(/cannot create \/tmp/);
    const status = readFileSync(`/proc/${stack.pid('exporter')}/status`, 'utf8');
    const said = (key: string) => new RegExp(`^${key}:\\s+(\\w+)`, 'm').exec(status)?.[1];
    const none = '0000000000000000';
    expect(['Uid', 'CapEff', 'CapBnd', 'NoNewPrivs'].map(said)).toEqual(['1000', none, none, '1']);
  });
});

describe('the demo, without preparation', () => {
  it('has all targets up, and GPU memory by model', async () => {
    await until(
      'GPU memory of a model',
      () => query(demo, 'llama_router_model_gpu_memory_used_bytes > 1e8').length > 0,
      { ...PATIENTLY, timeoutMs: 200_000 },
    );
    await untilAllAreUp(demo);
    expect(query(demo, 'llama_router_up')).toEqual([1]);
    expect(tryUnload(demo, join(shipped('untouched'), 'deploy/compose/demo/token'))).toMatchObject({
      outcome: 'dry_run',
    });
    await until('the rules', () => query(demo, 'gpu:memory_used:ratio').length === 1, PATIENTLY);
  });
});
