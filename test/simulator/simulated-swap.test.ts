import { afterEach, describe, expect, it } from '@jest/globals';
import type { SwapModelDescription } from '../../simulator/swap/settings.ts';
import { startSimulatedSwap, type TestSwap, type TestSwapOptions } from '../support/simulator/test-swap.ts';
import { until } from '../support/until.ts';

let swap: TestSwap;

const aModel = (id: string, given: Partial<SwapModelDescription> = {}): SwapModelDescription => ({
  id,
  loadSeconds: 0.01,
  tokensPerSecond: 10_000,
  unloadTimeoutSeconds: 0.05,
  ...given,
});

async function given(options: TestSwapOptions = {}): Promise<TestSwap> {
  swap = await startSimulatedSwap({ models: [aModel('a'), aModel('b')], exitSeconds: 0.001, ...options });
  return swap;
}

afterEach(() => swap.stop());

describe('control', () => {
  it('sends requests and returns how they ended', async () => {
    await given({ models: [aModel('a'), aModel('slow', { loadSeconds: 100 })] });
    expect(await swap.request('a', { tokens: 5 })).toBe('done');
    const long = swap.request('a', { seconds: 100 });
    await until('it to be busy', () => swap.model('a').engine.isBusy());
    await swap.unload('a');
    expect(await long).toBe('killed');
    swap.model('a').failsNext = true;
    expect(await swap.request('a')).toBe('failed');
    const waiting = swap.request('slow');
    await until('it to start', () => swap.model('slow').state === 'starting');
    await swap.unload();
    expect(await waiting).toBe('unloaded');
  });

  it('rejects an unknown model', async () => {
    await given();
    expect(() => swap.crash('missing')).toThrow("no model 'missing'");
  });

  it('keeps the port of a model, where its process answers while it is loaded', async () => {
    await given();
    await swap.request('a');
    const metrics = `http://127.0.0.1:${swap.portOf('a')}/metrics`;
    expect(await (await fetch(metrics)).text()).toContain('llamacpp:tokens_predicted_total 128\n');
    await swap.unload('a');
    await until('its port to close', () =>
      fetch(metrics).then(
        () => false,
        () => true,
      ),
    );
    await swap.request('a');
    expect((await fetch(metrics)).status).toBe(200);
  });

  it('starts again on the same port, with nothing loaded', async () => {
    await given();
    const { url } = swap;
    await swap.request('a');
    await swap.stop();
    await expect(fetch(`${url}/running`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await swap.start();
    expect(await (await fetch(`${url}/running`)).text()).toBe('{"running":[]}\n');
  });

  it('loads nothing after its end for those who waited', async () => {
    await given({ models: [aModel('a'), aModel('b'), aModel('c')] });
    const serving = swap.request('a', { seconds: 100 });
    await until('a to be busy', () => swap.model('a').engine.isBusy());
    const waiting = [swap.request('b'), swap.request('c')];
    await swap.stop();
    expect(await serving).toBe('killed');
    expect(await Promise.all(waiting)).toEqual(['gone', 'gone']);
    expect(swap.models.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
  });
});

describe('the request log', () => {
  it('records requests that a monitoring client must not send', async () => {
    await given();
    for (const path of ['/running', '/upstream/a/metrics', '/props?model=b']) await fetch(swap.url + path);
    expect(swap.violations).toEqual([
      'GET /upstream/a/metrics loads the model and restarts its ttl',
      'GET /props?model=b loads the model and restarts its ttl',
    ]);
    expect(swap.count('/running')).toBe(1);
  });
});
