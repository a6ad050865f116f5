import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { runProgram } from '../support/run-program.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';

const TOKEN = 'the-token-of-the-shell';

let router: TestRouter;
let exporter: RunningExporter;
beforeAll(async () => {
  router = createTestRouter({
    models: ['chat', 'coder', 'embed'].map((id) => ({ id, loadSeconds: 0.02 })),
    modelsMax: 2,
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
  for (const model of ['chat', 'coder', 'embed']) if (router.model(model).isRunning()) router.unload(model);
  for (const model of ['chat', 'coder', 'embed']) {
    await exporter.untilValue('llama_router_model_status', { model, status: 'unloaded' }, 1);
  }
});

/** Runs the program; durations are replaced by `…`. */
async function run(...args: string[]) {
  const { code, out, err } = await runProgram('load', ...args);
  return { code, out: out.replace(/\(\d+(\.\d+)?m?s/g, '(…'), err };
}

const direct = (...args: string[]) => run(...args, '--router', router.url);
const through = (...args: string[]) => run(...args, '--exporter', exporter.url);
const host = () => new URL(router.url).host;

describe('load', () => {
  it('loads models one after the other and prints a line for each', async () => {
    expect(await direct('chat', 'embed')).toEqual({
      code: 0,
      out: 'loaded        chat  (…)\nloaded        embed  (…)\n2 loaded. In memory: chat (loaded), embed (loaded).\n',
      err: '',
    });
  });

  it('through an exporter is recorded there', async () => {
    const { code, out } = await through('chat', '--reason', 'warm up');
    expect([code, out]).toEqual([
      0,
      `loaded        chat on ${host()}  (…)\n1 loaded. In memory: chat (loaded).\n`,
    ]);
    expect(exporter.service.operations.list()[0]).toMatchObject({
      action: 'load',
      trigger: 'cli',
      caller: { name: 'default' },
      reason: 'warm up',
    });
  });

  it('says what a full router evicts, before and after', async () => {
    await direct('chat', 'coder');
    const planned = await direct('embed', '--dry-run');
    expect(planned.out).toMatch(
      /^would load {4}embed {2}\(evicts .*probably chat\)\nDry run: nothing was loaded\.\n$/,
    );
    const { out } = await direct('embed');
    expect(out).toMatch(/^loaded {8}embed {2}\(…; the router evicted chat for it\)\n/);
  });

  it('ends with 1 and the reason when a model fails', async () => {
    router.model('chat').failsNext = true;
    const { code, out } = await direct('chat');
    expect(code).toBe(1);
    expect(out).toContain('failed        chat  (its process ended with code 1 while it was loading');
  });

  it.each([
    [[], 'load needs at least one MODEL'],
    [['chap'], "did you mean 'chat'?"],
    [['chat', '--timeout', 'soon'], '--timeout must be a duration'],
    [['chat', '--no-wait'], '--no-wait needs --exporter'],
    [['chat', '--hold', 'x'], '--hold needs --exporter'],
  ])('%j is a mistake', async (args, message) => {
    const { code, err } = await direct(...args);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it('ends with 3 when the router is down', async () => {
    const { code, err } = await run('chat', '--router', 'http://127.0.0.1:9');
    expect(code).toBe(3);
    expect(err).toContain('refuses connections');
  });

  it('is refused by a hold on the exporter', async () => {
    await runProgram('unload-all', '--hold', '10m', '--reason', 'a game', '--exporter', exporter.url);
    const { code, err } = await through('chat');
    expect(code).toBe(1);
    expect(err).toContain('for a game');
    expect(router.model('chat').isRunning()).toBe(false);
  });
});
