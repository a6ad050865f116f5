import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ModelDescription } from '../../simulator/model-description.ts';
import { createRouterClient, type RouterClient } from '../contract/router-client.ts';
import {
  createTestRouter,
  type TestRouter,
  type TestRouterOptions,
} from '../support/simulator/test-router.ts';

let router: TestRouter;

const aModel = (id: string, given: Partial<ModelDescription> = {}): ModelDescription => ({
  id,
  loadSeconds: 0.01,
  tokensPerSecond: 10_000,
  ...given,
});

async function given(options: TestRouterOptions = {}): Promise<RouterClient> {
  router = createTestRouter({ models: [aModel('a'), aModel('b')], exitSeconds: 0.001, ...options });
  await router.listen();
  return createRouterClient(router as never, 2);
}

afterEach(() => router.stop());

it('accepts any id', async () => {
  const id = 'unsloth/Qwen3 "8B":Ünïcode';
  const { load, get, until } = await given({ models: [aModel(id)] });
  await load(id);
  await until('the load', () => router.model(id).status === 'loaded');
  expect((await get(`/metrics?model=${encodeURIComponent(id)}&autoload=false`)).status).toBe(200);
});

it('answers a chat completion', async () => {
  const { post } = await given();
  const { status, text } = await post('/v1/chat/completions', { model: 'a', messages: [], max_tokens: 2 });
  expect(status).toBe(200);
  expect(JSON.parse(text).choices[0].message).toEqual({ role: 'assistant', content: 'la la' });
});

describe('the killed router', () => {
  it('breaks every connection and forgets every model; it starts again on the same port', async () => {
    const { listen, until, status } = await given();
    const url = router.url;
    const ears = await listen();
    await router.request('a');
    const cutShort = router.request('a', { seconds: 100 });
    const broken = fetch(`${url}/completion`, { method: 'POST', body: '{"model":"a","n_predict":1000000}' });
    await until('two requests', () => router.model('a').engine.read().processing === 2);
    await router.stop();
    await expect(broken).rejects.toThrow();
    expect(await cutShort).toBe('killed');
    expect(await router.request('a')).toBe('gone');
    await until('the end of the stream', () => ears.ended);
    await expect(fetch(`${url}/models`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await router.start();
    expect(router.url).toBe(url);
    expect(await status('a')).toBe('unloaded');
    expect(router.model('a').port).toBe(0);
  });

  it('waits for its port if an outgoing connection was given it meanwhile', async () => {
    await given();
    const { url } = router;
    await router.stop();
    const other = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const client = connect({ host: '127.0.0.1', port, localPort: Number(new URL(url).port) });
    await once(client, 'connect');
    const started = router.start();
    client.destroy();
    await started;
    expect((await fetch(`${url}/health`)).status).toBe(200);
    other.close();
  });
});

describe('control', () => {
  it('sends requests and returns how they ended', async () => {
    const { until } = await given({ stopTimeoutSeconds: 0.02 });
    expect(await router.request('a', { tokens: 5 })).toBe('done');
    const long = router.request('a', { seconds: 100 });
    await until('it to be busy', () => router.model('a').engine.isBusy());
    router.unload('a');
    expect(await long).toBe('killed');
    router.model('a').failsNext = true;
    expect(await router.request('a')).toBe('failed');
    expect(await router.request('a')).toBe('done');
  });

  it('rejects an unknown model', async () => {
    await given();
    expect(() => router.crash('missing')).toThrow("no model 'missing'");
    expect(await router.load('missing')).toBe('unknown');
  });
});

describe('the request log', () => {
  it('records requests that a monitoring client must not send', async () => {
    const { get, until } = await given({ sleepIdleSeconds: 0.5 });
    await get('/metrics?model=a&autoload=false');
    await router.request('a');
    await get('/metrics?model=a&autoload=false');
    await get('/metrics?model=a');
    router.faults.next({ on: '/slots', kind: 'late', seconds: 0.02 });
    await Promise.all([get('/slots?model=a&autoload=false'), get('/slots?model=a&autoload=false')]);
    await until('it to sleep', () => router.model('a').status === 'sleeping');
    await get('/metrics?model=a&autoload=false');
    expect(router.violations).toEqual([
      'GET /metrics?model=a&autoload=false while a is unloaded',
      'GET /metrics?model=a without autoload=false',
      'GET /slots?model=a&autoload=false while the previous one is running',
      'GET /metrics?model=a&autoload=false while a is sleeping',
    ]);
  });
});
