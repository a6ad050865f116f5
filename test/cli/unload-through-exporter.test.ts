import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { anOperation } from '../support/an-operation.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { runProgram } from '../support/run-program.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const TOKEN = 'the-token-of-the-shell';

let router: TestRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createTestRouter({
    models: ['chat', 'coder'].map((id) => ({ id, loadSeconds: 0.02 })),
    stopTimeoutSeconds: 0.5,
  });
  const { url } = await router.listen();
  exporter = await startExporter([url], {}, { LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN });
});
afterAll(async () => {
  await exporter.stop();
  await router.stop();
});

let environment: NodeJS.ProcessEnv;
beforeEach(async () => {
  environment = process.env;
  process.env = { ...environment, LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN };
  for (const model of ['chat', 'coder']) await router.load(model);
  for (const model of ['chat', 'coder'])
    await exporter.untilValue('llama_router_model_status', { model, status: 'loaded' }, 1);
});
afterEach(() => {
  process.env = environment;
});

/** A request that keeps the model busy for so long; resolves when it is under way. */
async function busy(model: string, seconds: number) {
  const request = router.request(model, { seconds });
  await until(`${model} to be busy`, () => router.model(model).engine.busy);
  return { request };
}

/** Its times are of no interest. */
async function runAlone(...args: string[]) {
  const { code, out, err } = await runProgram(...args);
  return { code, out: out.replace(/\(\d+ms\)/g, '(…)'), err };
}

const run = (...args: string[]) => runAlone(...args, '--exporter', exporter.url);

const where = () => new URL(router.url).host;

describe('through an exporter', () => {
  it('unloads, says so line by line, and is in its books', async () => {
    const { code, out, err } = await run('unload-all', '--keep', 'coder', '--reason', 'a game');
    expect(out.split('\n').toSorted()).toEqual(
      [
        '',
        'Still in memory: coder (loaded).',
        `kept          coder on ${where()}  (it is on the keep list)`,
        `unloaded      chat on ${where()}  (…)`,
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

  it('waits for busy models as the exporter does, and tells what came of it', async () => {
    const { request } = await busy('chat', 1);
    const { code, out } = await run('unload', 'chat');
    expect(await request).toBe('done');
    expect([code, out]).toEqual([
      0,
      `unloaded      chat on ${where()}  (…)\nStill in memory: coder (loaded).\n`,
    ]);
  });

  it('reports a busy model that is to be left alone, and exits with 1', async () => {
    const { request } = await busy('chat', 1);
    const { code, out } = await run('unload', 'chat', '--when-busy', 'skip');
    expect([code, out.split('\n')[0]]).toEqual([1, `busy          chat on ${where()}  (it is generating)`]);
    await request;
  });

  it('leaves it to the exporter when it need not wait', async () => {
    const { request } = await busy('chat', 1);
    const { code, out } = await run('unload', 'chat', '--no-wait');
    expect(code).toBe(0);
    expect(out).toMatch(/^Under way: operation [0-9a-f-]{36}\.\n$/);
    await request;
    await exporter.untilValue('llama_router_model_status', { model: 'chat', status: 'loaded' }, 0);
  });

  it('keeps the memory free afterwards', async () => {
    const { code } = await run('unload-all', '--hold', '1s');
    expect(code).toBe(0);
    expect(await exporter.value('llama_router_hold_active', { router: where() })).toBe(1);
    await exporter.untilValue('llama_router_hold_active', { router: where() }, 0);
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'a model that is not there',
      ['unload', 'chap'],
      2,
      /No model is named 'chap' on .*: did you mean 'chat'\?/,
    ],
    ['a router that is not there', ['unload-all', '--on', 'attic'], 2, /No router is named attic/],
  ])('says what is wrong with %s', async (_, args, exit, words) => {
    const { code, err } = await run(...args);
    expect(code).toBe(exit);
    expect(err).toMatch(words);
  });

  it('says what to do without a token', async () => {
    process.env = { ...process.env, LLAMA_ROUTER_EXPORTER_TOKEN: '' };
    const { code, err } = await run('unload-all');
    expect(code).toBe(2);
    expect(err).toContain('Give the token in LLAMA_ROUTER_EXPORTER_TOKEN_FILE.');
  });
});

describe('without an exporter', () => {
  it.each([
    [['unload-all', '--hold', '5m'], '--hold needs --exporter'],
    [['unload-all', '--on', 'attic'], '--on names a router of an --exporter'],
    [
      ['unload-all', '--idle-for', '1h', '--when-busy', 'skip'],
      '--idle-for needs --exporter: only who watches',
    ],
    [['unload-all', '--when-busy', 'kill'], "--when-busy is skip, wait, force, not 'kill'"],
    [['unload-all', '--reason', 'two\nlines'], '--reason must be one line without control characters'],
    [['unload-all', '--idle-for', 'long'], "--idle-for is a duration such as 30s, not 'long'"],
  ])('%j is a slip of the pen', async (args, words) => {
    const { code, err } = await runAlone(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(words)]);
  });

  it('exits with 1 when the exporter has too much to do: nothing was unloaded', async () => {
    const detail = '8 other requests wait for their turn on this router already';
    const refused = { reason: 'in_progress' as const, detail, retry_after_seconds: 30 };
    const operation = anOperation({
      ...{ outcome: 'refused' as const, routers: [{ router: 'attic', models: [], refused }] },
    });
    const busy = createServer(({ method }, response) => {
      response.statusCode = method === 'POST' ? 503 : 200;
      response.end(JSON.stringify(method === 'POST' ? operation : { models: [] }));
    }).listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const { port } = busy.address() as AddressInfo;
    const answer = await runAlone('unload-all', '--exporter', `http://127.0.0.1:${port}`);
    busy.close();
    expect(answer).toMatchObject({ code: 1, err: `attic: ${detail}\n` });
  });

  it('an exporter that is not there, or is none, exits with 3', async () => {
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const none = await runAlone('unload-all', '--exporter', `http://127.0.0.1:${port}`);
    other.close();
    const gone = await runAlone('unload-all', '--exporter', `http://127.0.0.1:${port}`);
    expect([none.code, gone.code]).toEqual([3, 3]);
    expect(none.err).toContain('answers 200, not as an exporter does');
    expect(gone.err).toContain('cannot be reached: ECONNREFUSED');
  });
});
