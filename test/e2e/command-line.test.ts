import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../support/free-port.ts';
import { load as loadOn, runningOn, untilItHears } from '../support/orders.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

let router: RealRouter;

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'tiny-c'] });
});
afterAll(() => router?.stop());

describe('unload-all', () => {
  beforeEach(async () => {
    for (const model of ['tiny-a', 'tiny-b', 'tiny-c']) await load(model);
  });

  it('unloads everything, prints a line for each model, and waits until it is gone', async () => {
    const { code, out, err } = await run('unload-all');
    expect(await runningOn(router)).toEqual([]);
    expect(err).toBe('');
    expect(
      out
        .replace(/\(\d+ms\)/g, '(…)')
        .split('\n')
        .sort(),
    ).toEqual(
      ['', 'No model is loaded.', ...['a', 'b', 'c'].map((x) => `unloaded      tiny-${x}  (…)`)].sort(),
    );
    expect(code).toBe(0);
  });

  it('unloads nothing in a dry run', async () => {
    const { code, out } = await run('unload-all', '--dry-run', '--keep', '*-c');
    expect(out).toBe(
      `would unload  tiny-a
would unload  tiny-b
kept          tiny-c  (it is on the keep list)
Dry run: nothing was unloaded.
`,
    );
    expect(code).toBe(0);
    expect(await runningOn(router)).toEqual(['tiny-a', 'tiny-b', 'tiny-c']);
  });

  it('leaves --keep models loaded, and reports as JSON', async () => {
    const { code, out } = await run('unload-all', '--keep', 'tiny-c', '--output', 'json');
    const operation = JSON.parse(out);
    expect(operation).toMatchObject({
      trigger: 'cli',
      outcome: 'success',
      dry_run: false,
      summary: { unloaded: 2, already_unloaded: 0, kept: 1, busy: 0, failed: 0 },
    });
    expect(code).toBe(0);
    expect(await runningOn(router)).toEqual(['tiny-c']);
  });

  it('reports when no model is loaded', async () => {
    await run('unload-all');
    expect(await run('unload-all')).toEqual({ code: 0, out: 'No loaded models found.\n', err: '' });
  });

  it('unloads only models that match', async () => {
    await run('unload-all', '--model', '*-a', '--model', '*-b');
    expect(await runningOn(router)).toEqual(['tiny-c']);
  });
});

describe('unload', () => {
  it('reports loaded, unloaded and unknown models differently', async () => {
    await run('unload-all');
    await load('tiny-a');
    const { code, out } = await run('unload', 'tiny-a', 'tiny-b', 'tiny-x');
    expect(out).toMatch(/^unloaded {6}tiny-a {2}\(\d+ms\)$/m);
    expect(out).toMatch(/^not loaded {4}tiny-b$/m);
    expect(out).toMatch(/^failed {8}tiny-x {2}\(no model has this name\)$/m);
    expect(code).toBe(1);
  });
});

it('exits with 3 and a remedy when there is no router', async () => {
  const port = await freePort();
  const { code, out, err } = await run('unload-all', '--router', `http://127.0.0.1:${port}`);
  expect(err).toContain('refuses connections: is the server running there?');
  expect(out).toBe('');
  expect(code).toBe(3);
});

it('exits with 2 when the command line is wrong', async () => {
  const { code, err } = await run('unload-all', '--kep', 'x');
  expect(err).toContain('unknown flag --kep: did you mean --keep?');
  expect(code).toBe(2);
});

it('lists the models with their status', async () => {
  await run('unload-all');
  await load('tiny-b');
  const { code, out } = await run('list');
  expect(out).toMatch(/^unloaded +tiny-a/m);
  expect(out).toMatch(/^loaded +tiny-b +idle +[\d.]+ MiB +303\.8 KiB +256$/m);
  expect(code).toBe(0);
});

describe('serve', () => {
  it('listens, reloads on SIGHUP, and ends on SIGTERM with an open event stream, before Docker kills it after ten seconds', async () => {
    const port = await freePort();
    const serve = start('serve', '--web.listen-address', `127.0.0.1:${port}`);
    const url = `http://127.0.0.1:${port}`;
    await until(
      'the service to be ready',
      async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok,
    );
    const stream = await fetch(`${url}/api/v1/events`);
    expect(stream.ok).toBe(true);
    serve.child.kill('SIGHUP');
    await until('the reload', () => serve.err().includes('configuration reloaded'));
    const askedToEndAt = performance.now();
    serve.child.kill('SIGTERM');
    expect(await serve.ended).toBe(0);
    expect(performance.now() - askedToEndAt).toBeLessThan(10_000);
    expect(await stream.text()).toContain('transitions');
  });

  it('exits with 2 when the port is in use', async () => {
    const { code, err } = await run('serve', '--web.listen-address', `127.0.0.1:${router.port}`);
    expect(err).toContain('another program listens on it');
    expect(code).toBe(2);
  });
});

function start(...args: string[]) {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    process.execPath,
    ['dist/main.mjs', ...args],
    {
      env: { ...process.env, LLAMA_SERVER_URL: args.includes('--router') ? '' : router.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, ended, out: () => out, err: () => err };
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const process = start(...args);
  const code = await process.ended;
  return { code, out: process.out(), err: process.err() };
}

async function load(model: string): Promise<void> {
  if ((await runningOn(router)).includes(model)) return;
  await loadOn(router, model);
  await untilItHears();
}
