import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { debianMirror } from '../../tools/install-real-servers/debian-mirror.mjs';
import { freePort } from '../support/free-port.ts';
import { isAlive } from '../support/process-table.ts';
import { checkMetrics, pairVersions, startAlertmanager, startPrometheus } from '../support/prometheus.ts';
import { complete, oneAnswer, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

interface Listed {
  readonly id: string;
  readonly status: { readonly value: string; readonly args: readonly string[]; readonly failed?: boolean };
}

describe('a real router', () => {
  let router: RealRouter;
  beforeAll(async () => {
    router = await startRealRouter({ modelsMax: 2 });
  });
  afterAll(() => router?.stop());

  const listed = async (model: string): Promise<Listed | undefined> => {
    const answer = (await (await fetch(`${router.url}/models`)).json()) as { data: Listed[] };
    return answer.data.find(({ id }) => id === model);
  };
  const status = async (model: string) => (await listed(model))?.status.value;
  const isNow = (model: string, wanted: string) =>
    until(`${model} to be ${wanted}`, async () => (await status(model)) === wanted);
  const post = async (path: string, model: string) =>
    (await fetch(router.url + path, { method: 'POST', body: JSON.stringify({ model }) })).status;

  test('lists the files of its folder and loads none of them', async () => {
    const { data } = (await (await fetch(`${router.url}/models`)).json()) as { data: Listed[] };
    const statuses = Object.fromEntries(data.map((model) => [model.id, model.status.value]));
    expect(statuses).toEqual({
      broken: 'unloaded',
      mid: 'unloaded',
      'tiny-a': 'unloaded',
      'tiny-b': 'unloaded',
      'tiny-c': 'unloaded',
    });
  });

  test('generates as many tokens as asked, in a process of its own', async () => {
    expect(router.childPid('tiny-a')).toBeUndefined();
    expect(await complete(router, 'tiny-a', { tokens: 40 })).toMatchObject({ status: 200, tokens: 40 });
    expect(router.childPid('tiny-a')).toBeGreaterThan(router.pid);
  });

  test('opens its event stream before there is an event, and sends the events of a load', async () => {
    const stream = await fetch(`${router.url}/models/sse`);
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect(await post('/models/load', 'tiny-b')).toBe(200);
    let received = '';
    while (!received.includes('"status":"loaded"')) received += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    expect(received).toMatch(
      /^data: {"model":"tiny-b","event":"model_status","data":{"status":"loading"}}\n\n/,
    );
  });

  test('fails to load a broken model', async () => {
    expect(await complete(router, 'broken', { tokens: 1 })).toMatchObject({ status: 500, tokens: undefined });
    expect((await listed('broken'))?.status).toMatchObject({ value: 'unloaded', failed: true });
  });

  test('keeps a tiny model busy for a chosen time', async () => {
    const job = complete(router, 'tiny-a', { tokens: 10_000_000 });
    const isBusy = async () => {
      const slots = await fetch(`${router.url}/slots?model=tiny-a&autoload=false`, { headers: oneAnswer });
      return (await slots.text()).includes('"is_processing":true');
    };
    await until('tiny-a to be busy', isBusy);
    await sleep(500);
    expect(await isBusy()).toBe(true);
    await router.crash('tiny-a');
    expect(await job).toMatchObject({ status: 500, body: expect.stringContaining('proxy error') });
  });

  test('gives a model a new port at every load, and keeps listing the last one', async () => {
    const port = async () => {
      const args = (await listed('tiny-c'))?.status.args ?? [];
      return Number(args[args.indexOf('--port') + 1]);
    };
    expect(await port()).toBe(0);
    await complete(router, 'tiny-c', { tokens: 1 });
    const first = await port();
    await post('/models/unload', 'tiny-c');
    await isNow('tiny-c', 'unloaded');
    expect(await port()).toBe(first);
    await complete(router, 'tiny-c', { tokens: 1 });
    expect(await port()).not.toBe(first);
  });

  test('marks a crash as a failure', async () => {
    await complete(router, 'tiny-a', { tokens: 1 });
    await router.crash('tiny-a');
    await isNow('tiny-a', 'unloaded');
    expect((await listed('tiny-a'))?.status.failed).toBe(true);
    await expect(router.crash('tiny-a')).rejects.toThrow('no process serves tiny-a');
  });

  test('adds and removes models when it rescans its folder', async () => {
    await router.addModel('new "näme" 1');
    await router.removeModel('tiny-b');
    expect([await status('new "näme" 1'), await status('tiny-b')]).toEqual([undefined, expect.anything()]);
    await router.rescan();
    expect([await status('new "näme" 1'), await status('tiny-b')]).toEqual(['unloaded', undefined]);
    expect(await complete(router, 'new "näme" 1', { tokens: 2 })).toMatchObject({ tokens: 2 });
    expect(router.childPid('new "näme" 1')).toBeDefined();
  });

  test('loses its models when killed, and restarts at the same address', async () => {
    await complete(router, 'mid', { tokens: 2 });
    const before = { router: router.pid, model: router.childPid('mid') ?? 0 };
    expect(isAlive(before.model)).toBe(true);
    await router.kill();
    expect(isAlive(before.model)).toBe(false);
    await expect(fetch(`${router.url}/health`)).rejects.toThrow();
    await router.restart();
    expect(router.pid).not.toBe(before.router);
    expect(await status('mid')).toBe('unloaded');
  });

  test('leaves no process and no file behind when stopped', async () => {
    await complete(router, 'tiny-a', { tokens: 1 });
    const args = (await listed('tiny-a'))?.status.args ?? [];
    const file = args[args.indexOf('--model') + 1] ?? '';
    expect(existsSync(file)).toBe(true);
    const pids = [router.pid, router.childPid('tiny-a') ?? 0];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await router.stop();
    await router.stop();
    expect(pids.map(isAlive)).toEqual([false, false]);
    expect(existsSync(file)).toBe(false);
    expect(router.log()).toContain('listening on');
  });
});

test('a real router with an API key and an idle limit requires the key and falls asleep', async () => {
  const router = await startRealRouter({ models: ['tiny-a'], apiKey: 'secret', sleepIdleSeconds: 1 });
  try {
    expect((await fetch(`${router.url}/models`)).status).toBe(401);
    expect(await complete(router, 'tiny-a', { tokens: 1 })).toMatchObject({ status: 200 });
    const headers = { Authorization: 'Bearer secret' };
    const sleeps = async () =>
      (await (await fetch(`${router.url}/models`, { headers })).text()).includes('"value":"sleeping"');
    await until('tiny-a to fall asleep', sleeps);
  } finally {
    await router.stop();
  }
});

test('a router that cannot start is reported with its output', async () => {
  await expect(startRealRouter({ models: [], args: ['--no-such-argument'] })).rejects.toThrow(
    'invalid argument: --no-such-argument',
  );
});

describe.each(pairVersions)('the %s pair', (version) => {
  test('Prometheus scrapes itself and answers queries', async () => {
    const port = await freePort();
    const config = `
      global: { scrape_interval: 200ms, scrape_timeout: 200ms }
      scrape_configs: [{ job_name: self, static_configs: [{ targets: ['127.0.0.1:${port}'] }] }]`;
    const prometheus = await startPrometheus({ version, config, port });
    try {
      const scraped = await until('a scrape', async () => {
        const [up] = await prometheus.query('up == 1');
        return up ?? false;
      });
      expect(scraped).toEqual({
        metric: { __name__: 'up', instance: `127.0.0.1:${port}`, job: 'self' },
        value: 1,
      });
      expect(await prometheus.query('1 / 0')).toEqual([{ metric: {}, value: Number.POSITIVE_INFINITY }]);
      await expect(prometheus.query('up{')).rejects.toThrow('parse error');
      expect(prometheus.version).toMatch(version === 'old' ? /^2\./ : /^3\./);
    } finally {
      await prometheus.stop();
    }
  });

  test('Prometheus reads the rules of a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rules-'));
    try {
      writeFileSync(
        join(folder, 'rules.yml'),
        'groups: [{ name: g, rules: [{ alert: A, expr: vector(1) }] }]',
      );
      const config = `rule_files: ['${folder}/*.yml']`;
      const prometheus = await startPrometheus({ version, config, folders: [folder] });
      expect(await prometheus.api('/api/v1/rules')).toMatchObject({ groups: [{ name: 'g' }] });
      await prometheus.stop();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a Prometheus that cannot start is reported with its output', async () => {
    await expect(startPrometheus({ version, config: 'nonsense: 1' })).rejects.toThrow(
      'field nonsense not found',
    );
  });

  test('Alertmanager is ready', async () => {
    const config = 'route: { receiver: none }\nreceivers: [{ name: none }]';
    const alertmanager = await startAlertmanager({ version, config });
    expect(await alertmanager.api('/api/v2/alerts')).toEqual([]);
    await alertmanager.stop();
  });

  test('promtool distinguishes a clean exposition, one with findings, and garbage', () => {
    const clean = '# HELP cats_total Some.\n# TYPE cats_total counter\ncats_total 1\n';
    expect(checkMetrics(clean, version)).toEqual({ code: 0, output: '' });
    expect(checkMetrics('# HELP cats Some.\n# TYPE cats counter\ncats 1\n', version).code).toBe(3);
    expect(checkMetrics('{', version).code).toBe(1);
  });
});

describe('the Debian archive to install from', () => {
  let etc: string;
  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), 'etc-'));
    mkdirSync(join(etc, 'apt/sources.list.d'), { recursive: true });
    writeFileSync(join(etc, 'os-release'), 'ID=debian\nVERSION_CODENAME=bookworm\n');
  });
  afterEach(() => rmSync(etc, { recursive: true }));
  const source = (name: string, text: string) => writeFileSync(join(etc, 'apt', name), text);

  test('offers this release, in one-line sources', () => {
    source(
      'sources.list',
      'deb-src http://src.example/debian bookworm main\n#deb http://off.example/debian bookworm main\n',
    );
    source('sources.list.d/a.list', 'deb http://node.example bookworm main\ndeb http://flat.example ./\n');
    source(
      'sources.list.d/b.list',
      'deb [arch=amd64 trusted=yes] http://our.example/debian bookworm main contrib # ours\n' +
        'deb http://our.example/debian bookworm-updates main\n',
    );
    expect(debianMirror(etc, '')).toBe('http://our.example/debian');
  });

  test('offers this release, in deb822 sources', () => {
    source(
      'sources.list.d/debian.sources',
      'Types: deb\nURIs: http://our.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n' +
        'Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n\n' +
        '# ours\nTypes: deb deb-src\nURIs: http://our.example/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n',
    );
    expect(debianMirror(etc, '')).toBe('http://our.example/debian');
  });

  test('is read from the mirror list of a cloud image', () => {
    source('mirrors.list', 'http://near.example/debian\nhttp://far.example/debian\n');
    source('sources.list', `deb mirror+file://${etc}/apt/mirrors.list bookworm main`);
    expect(debianMirror(etc, '')).toBe('http://near.example/debian');
  });

  test('can be set, and is required where apt names none', () => {
    source('sources.list', 'deb http://ubuntu.example/ubuntu noble main');
    expect(debianMirror(etc, 'http://set.example/debian')).toBe('http://set.example/debian');
    expect(() => debianMirror(etc, '')).toThrow('Set DEBIAN_MIRROR');
  });
});
