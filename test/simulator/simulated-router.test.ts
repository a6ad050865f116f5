import { afterEach, describe, expect, it } from '@jest/globals';
import type { ModelDescription } from '../../simulator/description.ts';
import {
  createSimulatedRouter,
  type SimulatedRouter,
  type SimulatedRouterOptions,
} from '../../simulator/simulated-router.ts';
import { normalEvents } from '../contract/normal.ts';
import { createRouterClient, type RouterClient } from '../contract/router-client.ts';

let router: SimulatedRouter;

const aModel = (id: string, given: Partial<ModelDescription> = {}): ModelDescription => ({
  id,
  loadSeconds: 0.01,
  tokensPerSecond: 10_000,
  ...given,
});

async function given(options: SimulatedRouterOptions = {}): Promise<RouterClient> {
  router = createSimulatedRouter({ models: [aModel('a'), aModel('b')], exitSeconds: 0.001, ...options });
  await router.listen();
  return createRouterClient(router as never, 2);
}

afterEach(() => router.stop());

describe("other builds' listings", () => {
  const first = async (options: SimulatedRouterOptions) => {
    const { get } = await given(options);
    return JSON.parse((await get('/models')).text).data[0];
  };

  it('print the status as a string', async () => {
    expect(await first({ shape: 'plain-status' })).toMatchObject({ id: 'a', status: 'unloaded' });
  });

  it('call the id a name', async () => {
    const entry = await first({ shape: 'name-only' });
    expect(entry).toMatchObject({ name: 'a', status: { value: 'unloaded' } });
    expect(entry).not.toHaveProperty('id');
  });

  it('have no status', async () => {
    expect(await first({ shape: 'no-status' })).not.toHaveProperty('status');
  });

  it('of December 2025 know paths, and no event stream', async () => {
    const entry = await first({ shape: 'december-2025' });
    expect(Object.keys(entry)).toEqual(['id', 'in_cache', 'path', 'object', 'owned_by', 'created', 'status']);
    expect(Object.keys(entry.status)).toEqual(['value', 'args']);
    expect((await fetch(`${router.url}/models/sse`)).status).toBe(404);
  });
});

describe('a server with one model', () => {
  it('is no router', async () => {
    const { get, load } = await given({ role: 'single' });
    expect(JSON.parse((await get('/props')).text)).not.toHaveProperty('role');
    const listing = JSON.parse((await get('/v1/models')).text);
    expect(Object.keys(listing)).toEqual(['models', 'object', 'data']);
    expect(listing.data[0]).not.toHaveProperty('status');
    expect((await load('a')).status).toBe(404);
    expect((await get('/models/sse')).status).toBe(404);
    expect((await get('/metrics')).text).toContain('llamacpp:requests_processing 0\n');
  });
});

describe('options', () => {
  it('autoload: false loads nothing for a request, unless it says so itself', async () => {
    const { complete, post } = await given({ autoload: false });
    expect((await complete('a')).text).toContain('model is not loaded');
    const body = { model: 'a', messages: [], max_tokens: 2 };
    expect((await post('/v1/chat/completions?autoload=true', body)).status).toBe(200);
    expect(router.model('a').status).toBe('loaded');
  });

  it('slots: false is --no-slots', async () => {
    const { get } = await given({ slots: false });
    await router.request('a');
    const { status, text } = await get('/slots?model=a&autoload=false');
    expect(status).toBe(501);
    expect(text).toContain('Start it with `--slots`');
  });

  it('ids may hold anything', async () => {
    const id = 'unsloth/Qwen3 "8B":Ünïcode';
    const { load, get, until } = await given({ models: [aModel(id)] });
    await load(id);
    await until('the load', () => router.model(id).status === 'loaded');
    expect((await get(`/metrics?model=${encodeURIComponent(id)}&autoload=false`)).status).toBe(200);
  });
});

describe('the killed router', () => {
  it('breaks every connection and forgets every model; started again, it is where it was', async () => {
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
});

describe('control', () => {
  it('sends requests and says what became of them', async () => {
    const { until } = await given({ stopTimeoutSeconds: 0.02 });
    expect(await router.request('a', { tokens: 5 })).toBe('done');
    const long = router.request('a', { seconds: 100 });
    await until('it to be busy', () => router.model('a').engine.busy);
    router.unload('a');
    expect(await long).toBe('killed');
    router.failNextLoad('a');
    expect(await router.request('a')).toBe('failed');
    expect(await router.request('a')).toBe('done');
  });

  it('leaves a process that was told to exit by somebody else in the list, deaf', async () => {
    const { get, until, status } = await given();
    await router.request('a');
    router.model('a').deafen();
    expect(await status('a')).toBe('loaded');
    expect((await get('/metrics?model=a&autoload=false')).text).toBe(
      'proxy error: Could not establish connection',
    );
    router.unload('a');
    await until('the unload', () => router.model('a').status === 'unloaded');
    expect(router.model('a').exitCode).toBe(0);
  });

  it('knows no model that does not exist', async () => {
    await given();
    expect(() => router.crash('nobody')).toThrow("no model 'nobody'");
    expect(await router.load('nobody')).toBe('unknown');
  });
});

describe('downloads', () => {
  const downloads = { bytes: 1000, seconds: 0.02 };

  it('tell how far they are; the model is there after the next look', async () => {
    const { post, listen, get, status } = await given({ downloads });
    const ears = await listen();
    expect((await post('/models', { model: 'user/repo' })).text).toBe('{"success":true}');
    expect(await status('user/repo')).toBe('downloading');
    await ears.heard('the end', ({ event }) => event === 'download_finished');
    expect(await status('user/repo')).toBe('unloaded');
    await ears.heard('the rescan', ({ event }) => event === 'models_reload');
    const url = 'https://models.example/user/repo/model.gguf';
    const progress = (done: number) => ({ progress: { [url]: { done, total: 1000 } } });
    expect(ears.events.slice(0, 2)).toEqual([
      { model: 'user/repo', event: 'model_status', data: { status: 'downloading' } },
      { model: 'user/repo', event: 'download_progress', data: progress(0) },
    ]);
    expect(ears.events.slice(-3)).toEqual([
      { model: 'user/repo', event: 'download_progress', data: progress(1000) },
      { model: 'user/repo', event: 'download_finished' },
      { model: '*', event: 'models_reload' },
    ]);
    expect(JSON.parse((await get('/models')).text).data[2]).toMatchObject({
      source: 'cache',
      can_remove: true,
    });
  });

  it('are cancelled by an unload', async () => {
    const { post, unload, listen, status } = await given({ downloads: { seconds: 100 } });
    const ears = await listen();
    await post('/models', { model: 'user/repo' });
    await unload('user/repo');
    await ears.heard('the end', ({ event }) => event === 'download_failed');
    expect(await status('user/repo')).toBe('none');
  });

  it('can be removed, other models cannot', async () => {
    const { listen, status, complete } = await given({
      models: [aModel('u/r', { source: 'cache' }), aModel('a')],
    });
    await complete('u/r');
    const ears = await listen();
    const remove = (id: string) => fetch(`${router.url}/models?model=${id}`, { method: 'DELETE' });
    expect(await (await remove('u/r')).text()).toBe('{"success":true}');
    expect(await status('u/r')).toBe('none');
    expect(normalEvents(ears.events)).toEqual([
      '{"model":"u/r","event":"status_change","data":{"status":"unloaded","exit_code":0}}',
      '{"model":"u/r","event":"model_remove"}',
    ]);
    expect(await (await remove('a')).text()).toContain('model name=a is not removable (not from cache)');
  });
});

describe('the request log', () => {
  it('knows who asked what, and how often', async () => {
    const { get } = await given();
    await get('/models');
    await get('/models?reload=1');
    expect(router.count('/models')).toBe(2);
    expect(router.count('/props')).toBe(0);
    expect(router.requests).toEqual([
      { method: 'GET', path: '/models', query: '', at: expect.any(Number) },
      { method: 'GET', path: '/models', query: 'reload=1', at: expect.any(Number) },
    ]);
  });

  it('records what a watcher must not do', async () => {
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
      'GET /slots?model=a&autoload=false while the last one is under way',
      'GET /metrics?model=a&autoload=false while a is sleeping',
    ]);
  });
});

it('lists five thousand models, one of them loaded', async () => {
  const models = Array.from({ length: 5000 }, (_, at) => aModel(`model-${at}`));
  const { get } = await given({ models, modelsMax: 0 });
  await router.request('model-4999');
  const { data } = JSON.parse((await get('/models')).text) as { data: { status: { value: string } }[] };
  expect(data).toHaveLength(5000);
  expect(data.filter(({ status }) => status.value === 'loaded')).toHaveLength(1);
});
