import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { anOperation } from '../support/an-operation.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { runProgram } from '../support/run-program.ts';
import { scriptHttp } from '../support/scripted-server.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const TOKEN = 'the-token-of-the-shell';

let router: TestRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createTestRouter({
    models: ['chat', 'coder'].map((id) => ({ id, loadSeconds: 0.02 })),
    exitSeconds: 0.01,
  });
  const { url } = await router.listen();
  exporter = await startExporter([url], {}, { LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN });
});
afterAll(async () => {
  await exporter.stop();
  await router.stop();
});

beforeEach(async () => {
  process.env.LLAMA_ROUTER_EXPORTER_TOKEN = TOKEN;
  for (const model of ['chat', 'coder']) await router.load(model);
  for (const model of ['chat', 'coder']) {
    await exporter.untilValue('llama_router_model_status', { model, status: 'loaded' }, 1);
  }
});

/** Starts a request that keeps the model busy until `finish`. */
async function busy(model: string) {
  const request = router.request(model, { seconds: 3600 });
  await until(`${model} to be busy`, () => router.model(model).engine.isBusy());
  const finish = async () => {
    router.model(model).engine.finishRunning();
    expect(await request).toBe('done');
  };
  return { finish };
}

/** Runs the program; durations are replaced by `…`. */
async function runAlone(...args: string[]) {
  const { code, out, err } = await runProgram(...args);
  return { code, out: out.replace(/\(\d+ms\)/g, '(…)'), err };
}

const run = (...args: string[]) => runAlone(...args, '--exporter', exporter.url);

const host = () => new URL(router.url).host;

describe('unload through an exporter', () => {
  it('prints a line for each model, and the exporter records the operation', async () => {
    const { code, out, err } = await run('unload-all', '--keep', 'coder', '--reason', 'a game');
    expect(out.split('\n').toSorted()).toEqual(
      [
        '',
        'Still in memory: coder (loaded).',
        expect.stringMatching(`^kept          coder on ${host()}  \\(.*keep list\\)$`),
        `unloaded      chat on ${host()}  (…)`,
      ].toSorted(),
    );
    expect([code, err]).toEqual([0, '']);
    expect(exporter.service.operations.list()[0]).toMatchObject({
      trigger: 'cli',
      caller: { name: 'default' },
      reason: 'a game',
      outcome: 'success',
    });
  });

  it('waits for busy models by default', async () => {
    const { finish } = await busy('chat');
    const running = run('unload', 'chat');
    await until('the unload to wait', () => exporter.service.operations.list()[0]?.outcome === null);
    await finish();
    const { code, out } = await running;
    expect([code, out]).toEqual([
      0,
      `unloaded      chat on ${host()}  (…)\nStill in memory: coder (loaded).\n`,
    ]);
  });

  it('exits with 1 when a busy model was left loaded', async () => {
    const { finish } = await busy('chat');
    const { code, out } = await run('unload', 'chat', '--when-busy', 'skip');
    expect([code, out]).toEqual([1, expect.stringMatching(`^busy          chat on ${host()}  \\(`)]);
    await finish();
  });

  it('returns at once with --no-wait', async () => {
    const { finish } = await busy('chat');
    const { code, out } = await run('unload', 'chat', '--no-wait');
    expect([code, out]).toEqual([0, expect.stringMatching(/^In progress: operation [0-9a-f-]{36}\.\n$/)]);
    await finish();
    await exporter.untilValue('llama_router_model_status', { model: 'chat', status: 'loaded' }, 0);
  });

  it('holds the freed memory with --hold', async () => {
    expect((await run('unload-all', '--hold', '5m')).code).toBe(0);
    expect(await exporter.value('llama_router_hold_active', { router: host() })).toBe(1);
  });

  it.each<[string, string[], RegExp]>([
    ['a model that does not exist', ['unload', 'chap'], /'chap'.* did you mean 'chat'\?/],
    ['a router that does not exist', ['unload-all', '--on', 'attic'], /No router is named attic/],
  ])('exits with 2 for %s', async (_, args, message) => {
    const { code, err } = await run(...args);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  it('says how to give the token', async () => {
    process.env.LLAMA_ROUTER_EXPORTER_TOKEN = '';
    const { code, err } = await run('unload-all');
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('Give the token in LLAMA_ROUTER_EXPORTER_TOKEN_FILE.'),
    ]);
  });

  it('exits with 1 when a guard refuses the request', async () => {
    const refused = { reason: 'in_progress' as const, detail: 'the queue is full', retry_after_seconds: 30 };
    const routers = [{ router: 'attic', models: [], refused }];
    const operation = anOperation({ outcome: 'refused', routers });
    const server = await scriptHttp(({ method }, response) => {
      response.statusCode = method === 'POST' ? 503 : 200;
      response.end(JSON.stringify(method === 'POST' ? operation : { models: [] }));
    });
    const answer = await runAlone('unload-all', '--exporter', server.url);
    await server.stop();
    expect(answer).toEqual({ code: 1, out: '', err: 'attic: the queue is full\n' });
  });

  it('exits with 3 when the exporter cannot be reached, or is another program', async () => {
    const { url, stop } = await scriptHttp((_, response) => response.end('hello'));
    const other = await runAlone('unload-all', '--exporter', url);
    await stop();
    const gone = await runAlone('unload-all', '--exporter', url);
    expect([other.code, gone.code]).toEqual([3, 3]);
    expect(other.err).toContain('answers 200, but not as an exporter does: check the URL');
    expect(gone.err).toBe(`${url} cannot be reached: ECONNREFUSED\n`);
  });
});

describe('unload without an exporter', () => {
  it.each([
    [['unload'], 'unload needs at least one MODEL.'],
    [['unload-all', '--hold', '5m'], '--hold needs --exporter'],
    [['unload-all', '--gpu', '0'], '--gpu needs --exporter'],
    [['unload-all', '--timeout', '1s', '--timeout', '2s'], '--timeout is given twice: it takes one value.'],
    [['unload-all', '--log.level', 'warn', '--log.level=info'], '--log.level is given twice'],
    [['unload-all', '--on', 'attic'], '--on needs --exporter'],
    [['unload-all', '--idle-for', '1h', '--when-busy', 'skip'], '--idle-for needs --exporter'],
    [['unload-all', '--when-busy', 'kill'], "--when-busy must be one of skip, wait, force, not 'kill'"],
    [['unload-all', '--reason', 'a\u001b[31m'], '--reason must be one line of at most 200 characters'],
    [['unload-all', '--reason', 'two\nlines'], '--reason must be one line of at most 200 characters'],
    [['unload-all', '--idle-for', 'long'], "--idle-for must be a duration such as 30s, not 'long'"],
  ])('%j is rejected', async (args, message) => {
    const { code, err } = await runAlone(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });
});
