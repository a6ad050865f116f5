import { afterEach, describe, expect, it } from '@jest/globals';
import { json, noMetrics, notFound } from '../../simulator/answer.ts';
import type { Intercept } from '../../simulator/server.ts';
import type { Operation } from '../../src/unload/report.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { runProgram } from '../support/run-program.ts';
import { createRestartableRouter, type RestartableRouter } from '../support/simulator/restartable.ts';
import { until } from '../support/until.ts';

const FOUR = ['a', 'b', 'c', 'd'];

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Setup {
  router: RestartableRouter;
  requests: string[];
}

/** A simulated router whose server answers these paths differently, and the requests that reach it. */
async function aServer(
  answers: Record<string, ReturnType<typeof json>> = {},
  settings: Parameters<typeof createRestartableRouter>[0] = {},
): Promise<Setup> {
  const requests: string[] = [];
  const intercept: Intercept = async ({ method, path }, _response, answer) => {
    requests.push(`${method} ${path}`);
    return answers[path] ?? answer();
  };
  const models = FOUR.map((id) => ({ id, loadSeconds: 0.01 }));
  const router = createRestartableRouter({ models, exitSeconds: 0.01, modelsMax: 0, ...settings }, intercept);
  await router.listen();
  ends.push(router.stop);
  return { router, requests };
}

async function anExporter({ router }: Setup, flags: Record<string, string> = {}): Promise<RunningExporter> {
  const exporter = await startExporter([router.url], flags);
  ends.push(exporter.stop);
  return exporter;
}

async function loadAll({ router }: Setup, models: readonly string[] = FOUR): Promise<void> {
  for (const model of models) await router.load(model);
  await until('the loads', () => models.every((model) => router.model(model).status === 'loaded'));
}

/** Keeps the model busy until `finish`. */
function keepBusy({ router }: Setup, model: string) {
  const request = router.request(model, { seconds: 3600 });
  return async () => {
    router.model(model).engine.finishRunning();
    expect(await request).toBe('done');
  };
}

const running = ({ router }: Setup) => router.models.filter((model) => model.isRunning());

async function unloadAll(
  exporter: RunningExporter,
  body: object = {},
): Promise<{ status: number; operation: Operation }> {
  const answer = await fetch(`${exporter.url}/unload-all`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, operation: (await answer.json()) as Operation };
}

describe('an unload-all right after a load', () => {
  it('costs exactly one listing on a router with an event stream', async () => {
    const server = await aServer();
    const exporter = await anExporter(server);
    await loadAll(server);
    server.requests.length = 0;
    const { operation } = await unloadAll(exporter);
    expect(operation).toMatchObject({ outcome: 'success', summary: { unloaded: 4 } });
    expect(server.requests.filter((request) => request === 'GET /models')).toHaveLength(1);
  });

  it('unloads every model on a build without event stream, which is polled', async () => {
    const server = await aServer({ '/models/sse': notFound });
    const exporter = await anExporter(server, { 'follow.polling-interval': '1h' });
    await loadAll(server);
    const { status, operation } = await unloadAll(exporter);
    expect(status).toBe(200);
    expect(operation).toMatchObject({ outcome: 'success', summary: { unloaded: 4 }, still_in_memory: [] });
    expect(running(server)).toEqual([]);
  });

  it('finds a model by name that the last poll did not list', async () => {
    const server = await aServer({ '/models/sse': notFound });
    const exporter = await anExporter(server, { 'follow.polling-interval': '1h' });
    server.router.addModel({ id: 'new', loadSeconds: 0.01 });
    await fetch(`${server.router.url}/models?reload=1`);
    await loadAll(server, ['new']);
    const { status, operation } = await unloadAll(exporter, { models: ['new'] });
    expect([status, operation.routers[0]?.models]).toMatchObject([
      200,
      [{ model: 'new', result: 'unloaded' }],
    ]);
  });

  it('says what clients have loaded in place of an unloaded model', async () => {
    const server = await aServer({}, { modelsMax: 1 });
    await loadAll(server, ['a']);
    const finish = keepBusy(server, 'a');
    const queued = server.router.request('b');
    const exporter = await anExporter(server);
    const unloading = unloadAll(exporter);
    await until('the unload to wait', () => exporter.service.operations.list().length > 0);
    await finish();
    const { operation } = await unloading;
    expect(operation.summary).toMatchObject({ kept: 0, busy: 0, failed: 0 });
    expect(operation.still_in_memory).toMatchObject([{ model: 'b' }]);
    await queued;
  });
});

const STATUSLESS = {
  '/models': json({ data: [{ id: 'x.gguf', object: 'model', owned_by: 'llamacpp' }] }),
  '/models/sse': notFound,
};

describe('a server that cannot be unloaded is an error at once', () => {
  it('when it lists models without a status', async () => {
    const server = await aServer(STATUSLESS);
    const exporter = await anExporter(server);
    const { status, operation } = await unloadAll(exporter);
    expect([status, operation.outcome]).toEqual([502, 'failed']);
    for (const flags of [
      ['--router', server.router.url],
      ['--exporter', exporter.url],
    ]) {
      const { code, out, err } = await runProgram('unload-all', ...flags);
      expect(err).toContain('lists models without telling which are loaded');
      expect([code, out]).toEqual([3, '']);
    }
    const { out } = await runProgram('list', '--router', server.router.url);
    expect(out).toContain('1 model, unknown which are in memory: run llama-router-exporter doctor');
  });

  it('when it has no unload order', async () => {
    const server = await aServer({ '/models/unload': notFound });
    await loadAll(server);
    const { code, out } = await runProgram('unload-all', '--router', server.router.url);
    expect(out).toContain('does not know POST /models/unload');
    expect(code).toBe(1);
  });

  it('when nothing tells whether a model is busy, and names the way out', async () => {
    const server = await aServer({ '/metrics': notFound, '/slots': noMetrics });
    await loadAll(server, ['a']);
    const run = (...flags: string[]) => runProgram('unload-all', '--router', server.router.url, ...flags);
    for (const flags of [[], ['--when-busy', 'skip']]) {
      const { code, out } = await run(...flags);
      expect(out).toMatch(/^failed +a +\(busy state unknown: .*--metrics.*--when-busy force\)$/m);
      expect(code).toBe(1);
    }
    expect(await run('--when-busy', 'force')).toMatchObject({ code: 0, err: '' });
  });

  it('but not when only its metrics are missing: the slots tell', async () => {
    const server = await aServer({ '/metrics': notFound });
    await loadAll(server, ['a']);
    expect(await runProgram('unload-all', '--router', server.router.url)).toMatchObject({ code: 0 });
  });
});

describe('the terminal', () => {
  /** Unloads everything on a router with a busy model, whose request ends when the program waits for it. */
  async function unloadWhileBusy(server: Setup) {
    const finish = keepBusy(server, 'a');
    const program = runProgram('unload-all', '--router', server.router.url);
    const reads = () => server.requests.filter((request) => request === 'GET /metrics');
    await until('the second look at the busy model', () => reads().length === 2);
    await finish();
    return program;
  }

  it('says what is waited for, and how not to wait', async () => {
    const server = await aServer();
    await loadAll(server, ['a']);
    const { code, err } = await unloadWhileBusy(server);
    expect(err).toMatch(/^waiting for +a +\(it is generating\)\n.*--when-busy force/);
    expect(code).toBe(0);
  });

  it('exits with 1 when a client has loaded a model meanwhile, and suggests a hold', async () => {
    const server = await aServer({}, { modelsMax: 1 });
    await loadAll(server, ['a']);
    const waiting = unloadWhileBusy(server);
    const queued = server.router.request('b', { seconds: 1 });
    const { code, out, err } = await waiting;
    expect(out).toMatch(/^Still in memory: b \(\w+\)\.$/m);
    expect(err).toContain('b was loaded by a client meanwhile. To keep memory free: --hold 30m');
    expect(code).toBe(1);
    await queued;
  });

  it('says which keep pattern matches nothing', async () => {
    const server = await aServer();
    const { code, err } = await runProgram('unload-all', '--router', server.router.url, '--keep', 'embd*');
    expect([code, err]).toEqual([0, "keep pattern 'embd*' matches no model\n"]);
  });
});
