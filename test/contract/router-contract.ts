import { afterEach, describe, expect, it } from '@jest/globals';
import {
  eventsWithoutProgress,
  normalEntry,
  normalEvents,
  normalListing,
  recorded,
  recordedJson,
} from './normal.ts';
import { createRouterClient, type Ears, type Reply, type RouterClient } from './router-client.ts';
import type { Patience, RouterUnderTest, StartOptions, StartRouter } from './router-under-test.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** The behaviour of llama.cpp routers that the exporter relies on: the same tests for the simulated and a real one. */
export function describeRouterContract(name: string, start: StartRouter, patience: Patience): void {
  describe(`the router contract, by ${name}`, () => {
    let router: RouterUnderTest | undefined;
    let ears: Ears | undefined;

    async function given(
      options: Partial<StartOptions> = {},
    ): Promise<RouterClient & { router: RouterUnderTest; ears: Ears }> {
      router = await start({ modelsMax: 2, ...options });
      const client = createRouterClient(router, patience.seconds, options.apiKey);
      ears = await client.listen();
      return { ...client, router, ears };
    }

    /** Loads these models one after the other and drops the recorded events. */
    async function givenLoaded(models: string[], options: Partial<StartOptions> = {}) {
      const client = await given(options);
      for (const model of models) await loadAndAsk(client, model);
      client.ears.forget();
      return client;
    }

    /**
     * Loads and has the model answer something: llama-server loses an order to exit that comes within a
     * millisecond of `loaded`, and is then killed as if it were busy.
     */
    async function loadAndAsk(client: RouterClient & { ears: Ears }, model: string): Promise<void> {
      await client.load(model);
      await client.ears.status(model, 'loaded');
      await client.get(`/metrics?model=${model}&autoload=false`);
    }

    afterEach(async () => {
      ears?.close();
      await router?.stop();
      router = undefined;
    });

    describe('listing', () => {
      it('prints every model as recorded, compactly, in the order of their ids', async () => {
        const { get } = await given();
        const reply = await get('/models');
        expect(reply).toMatchObject({ status: 200, type: JSON_TYPE });
        expect(normalListing(reply.text)).toBe(normalListing(recorded('models-all-unloaded.json')));
        expect(reply.text).toBe(JSON.stringify(JSON.parse(reply.text)));
      });

      it('is the same at /v1/models', async () => {
        const { get } = await given();
        expect(normalListing((await get('/v1/models')).text)).toBe(
          normalListing((await get('/models')).text),
        );
      });

      it('shows the meta and the port of a loaded model', async () => {
        const { get } = await givenLoaded(['tiny-a']);
        expect(normalListing((await get('/models')).text)).toBe(
          normalListing(recorded('models-one-loaded.json')),
        );
      });

      it('repeats itself but for the time of the answer, while nothing changes', async () => {
        const { get } = await givenLoaded(['tiny-a']);
        const times = /"created":\d+/g;
        const [first, second] = [(await get('/models')).text, (await get('/models')).text];
        expect(first.match(times)).toHaveLength(5);
        expect(second.replaceAll(times, '')).toBe(first.replaceAll(times, ''));
      });

      it('shows a loading model without meta', async () => {
        const { load, get } = await given();
        await load('mid');
        expect(normalEntry((await get('/models')).text, 'mid')).toEqual({
          ...(normalEntry(recorded('models-after-forced-unload.json'), 'mid') as object),
          status: expect.objectContaining({ value: 'loading', args: expect.arrayContaining(['--port #']) }),
        });
      });
    });

    describe('loading and unloading', () => {
      it('loads: answers at once, and reports the progress as events', async () => {
        const { load, ears } = await given();
        expectReply(await load('tiny-a'), 200, recordedJson('load-ok.json'));
        await ears.status('tiny-a', 'loaded');
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-load.sse')));
        expect(ears.text).toContain('"current":"text_model","value":0.0}}}\n\ndata: ');
        expect(ears.text).toContain('"current":"text_model","value":1.0}}}\n\ndata: ');
      });

      it('refuses to load a running model', async () => {
        const { load } = await givenLoaded(['tiny-a']);
        expectReply(await load('tiny-a'), 400, recordedJson('load-already-running.error.json'));
      });

      it('unloads an idle model', async () => {
        const { unload, ears, status } = await givenLoaded(['tiny-a']);
        expectReply(await unload('tiny-a'), 200, recordedJson('unload-ok.json'));
        await ears.status('tiny-a', 'unloaded');
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-unload-idle.sse')));
        expect(await status('tiny-a')).toBe('unloaded');
      });

      it('refuses to unload a model that is not running', async () => {
        const { unload } = await given();
        expectReply(await unload('tiny-a'), 400, recordedJson('unload-not-running.error.json'));
      });

      it('refuses an unknown model', async () => {
        const { load, unload, complete } = await given();
        expectReply(await load('missing'), 404, FILE_NOT_FOUND);
        expectReply(await unload('missing'), 400, recordedJson('unload-unknown-model.error.json'));
        expectReply(await complete('missing'), 400, invalid("model 'missing' not found"));
      });

      it('marks a model that fails to load, until the next rescan', async () => {
        const { load, ears, get } = await given();
        await load('broken');
        await ears.status('broken', 'unloaded');
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-load-failed.sse')));
        const failed = normalEntry((await get('/models')).text, 'broken');
        expect(failed).toEqual(normalEntry(recorded('models-load-failed.json'), 'broken'));
        const rescanned = normalEntry((await get('/models?reload=1')).text, 'broken');
        expect(rescanned).toEqual(normalEntry(recorded('models-after-forced-unload.json'), 'broken'));
      });

      it('kills a model that is unloaded while it loads', async () => {
        const { load, unload, ears, get } = await given();
        await load('mid');
        expectReply(await unload('mid'), 200, recordedJson('unload-ok.json'));
        await ears.status('mid', 'unloaded');
        expect(eventsWithoutProgress(ears.events)).toEqual(
          eventsWithoutProgress(recorded('sse-unload-while-loading.sse')),
        );
        expect(normalEntry((await get('/models')).text, 'mid')).toEqual(
          normalEntry(recorded('models-after-forced-unload.json'), 'mid'),
        );
      });

      it('fails the request that waits for a load that is killed', async () => {
        const { complete, unload, until, status } = await given();
        const reply = complete('mid');
        await until('mid to load', async () => (await status('mid')) === 'loading');
        await unload('mid');
        expectReply(await reply, 500, serverError('model name=mid failed to load'));
      });

      it('kills a busy model, and its request, when the stop timeout is over', async () => {
        const { stopTimeoutSeconds } = patience;
        const client = await givenLoaded(['mid'], { stopTimeoutSeconds });
        const { reply } = await client.occupy('mid');
        const asked = performance.now();
        expectReply(await client.unload('mid'), 200, recordedJson('unload-ok.json'));
        expect(await client.status('mid')).toBe('loaded');
        expectReply(await client.load('mid'), 400, recordedJson('load-already-running.error.json'));
        expect(client.ears.events).toEqual([]);
        const metrics = client.get('/metrics?model=mid&autoload=false');
        expectReply(await reply, 500, 'proxy error: Failed to read connection');
        expect(performance.now() - asked).toBeGreaterThan(stopTimeoutSeconds * 1000 * 0.9);
        expect(await metrics).toMatchObject({ status: 500, type: JSON_TYPE, text: NOBODY_LISTENS });
        await client.ears.status('mid', 'unloaded');
        expect(normalEvents(client.ears.events)).toEqual(
          normalEvents(recorded('sse-unload-busy-forced.sse')).slice(-1),
        );
        expect(normalEntry((await client.get('/models')).text, 'mid')).toEqual({
          ...(normalEntry(recorded('models-after-forced-unload.json'), 'mid') as object),
          // To give the real router another stop timeout than its 10 s takes a preset.
          source: expect.stringMatching(/^(models_dir|preset)$/),
        });
      });

      it('loads a model again for the request that came while it was being stopped', async () => {
        const { stopTimeoutSeconds } = patience;
        const { occupy, unload, complete, ears } = await givenLoaded(['mid'], { stopTimeoutSeconds });
        const { reply } = await occupy('mid');
        await unload('mid');
        const late = complete('mid');
        await reply;
        expect((await late).status).toBe(200);
        expect(normalEvents(ears.events)).toEqual([
          UNLOADED_KILLED('mid'),
          ...normalEvents(recorded('sse-unload-busy-forced.sse')).slice(0, -1),
        ]);
      });

      it('resolves an alias everywhere, and answers with the id', async () => {
        const aliases = ['second', 'first'];
        const { load, unload, ears, get, complete } = await given({ aliases, tags: ['red', 'blue'] });
        const entry = normalEntry((await get('/models')).text, 'tiny-a');
        expect(entry).toMatchObject({ aliases: ['first', 'second'], tags: ['blue', 'red'] });
        await load('first');
        await ears.status('tiny-a', 'loaded');
        expect((await complete('second')).status).toBe(200);
        expect((await get('/metrics?model=first&autoload=false')).status).toBe(200);
        expectReply(await unload('second'), 200, recordedJson('unload-ok.json'));
        await ears.status('tiny-a', 'unloaded');
      });
    });

    describe('the limit of models', () => {
      it('evicts the least recently used model, then loads the new one', async () => {
        const client = await given();
        for (const model of ['tiny-a', 'tiny-b', 'tiny-c']) await loadAndAsk(client, model);
        expect(normalEvents(client.ears.events)).toEqual(normalEvents(recorded('sse-evict-lru.sse')));
      });

      it('counts a request as use', async () => {
        const { load, complete, ears } = await givenLoaded(['tiny-a', 'tiny-b']);
        expect((await complete('tiny-a')).status).toBe(200);
        await load('tiny-c');
        await ears.status('tiny-b', 'unloaded');
      });

      it('does not count a query as use', async () => {
        const { load, get, ears } = await givenLoaded(['tiny-a', 'tiny-b']);
        await get('/metrics?model=tiny-a&autoload=false');
        await get('/props?model=tiny-a&autoload=false');
        await load('tiny-c');
        await ears.status('tiny-a', 'unloaded');
      });

      it('refuses a load while every place is taken by a model that loads', async () => {
        const { load } = await given({ modelsMax: 1 });
        await load('mid');
        expectReply(await load('tiny-a'), 500, serverError('model limit reached, try again later'));
      });

      it('refuses a load while every place is taken by a busy model', async () => {
        const { load, occupy, status, router } = await givenLoaded(['mid'], { modelsMax: 1 });
        await occupy('mid');
        expectReply(await load('tiny-a'), 500, serverError('model limit reached, try again later'));
        expect(await status('mid')).toBe('loaded');
        await router.crash('mid');
      });

      it('lets a request wait for a place', async () => {
        const { complete, until, get, ears } = await givenLoaded(['mid'], { modelsMax: 1 });
        const first = complete('mid', 40);
        await until('mid to be busy', async () => {
          const { text } = await get('/metrics?model=mid&autoload=false');
          return text.includes('requests_processing 1\n');
        });
        const second = complete('tiny-a');
        expect([(await first).status, (await second).status]).toEqual([200, 200]);
        expect(normalEvents(ears.events)).toEqual([
          UNLOADED('mid'),
          ...normalEvents(recorded('sse-load.sse')),
        ]);
      });
    });

    describe('sleeping', () => {
      const { sleepIdleSeconds } = patience;

      it('puts an idle model to sleep and wakes it for a request, without calling that a load', async () => {
        const { complete, ears, get } = await givenLoaded(['tiny-c'], { sleepIdleSeconds });
        await ears.status('tiny-c', 'sleeping');
        const asleep = normalEntry((await get('/models')).text, 'tiny-c');
        expect(asleep).toEqual(normalEntry(recorded('models-sleeping.json'), 'tiny-c'));
        expect((await complete('tiny-c')).status).toBe(200);
        expect(normalEvents(ears.events).slice(0, 4)).toEqual(
          normalEvents(recorded('sse-sleep-and-wake.sse')).slice(1),
        );
      });

      it('wakes no model for /metrics and /props, and keeps its counters', async () => {
        const { complete, ears, get, status } = await givenLoaded(['tiny-a'], { sleepIdleSeconds });
        await complete('tiny-a', 3);
        await ears.status('tiny-a', 'sleeping');
        const metrics = await get('/metrics?model=tiny-a&autoload=false');
        expect(metrics.text).toContain('llamacpp:tokens_predicted_total 3\n');
        expect((await get('/props?model=tiny-a&autoload=false')).status).toBe(200);
        expect(await status('tiny-a')).toBe('sleeping');
      });

      it('wakes for /slots', async () => {
        const { ears, get } = await givenLoaded(['tiny-a'], { sleepIdleSeconds });
        await ears.status('tiny-a', 'sleeping');
        expect((await get('/slots?model=tiny-a&autoload=false')).status).toBe(200);
        await ears.status('tiny-a', 'loaded');
      });

      it('unloads a sleeping model like an idle one, and counts it as running', async () => {
        const { ears, load, unload } = await givenLoaded(['tiny-a'], { sleepIdleSeconds });
        await ears.status('tiny-a', 'sleeping');
        expectReply(await load('tiny-a'), 400, recordedJson('load-already-running.error.json'));
        ears.forget();
        await unload('tiny-a');
        await ears.status('tiny-a', 'unloaded');
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-unload-idle.sse')));
      });
    });

    describe('crashes', () => {
      it('marks a model whose process died', async () => {
        const { load, ears, router, get } = await given();
        await load('tiny-a');
        await ears.status('tiny-a', 'loaded');
        await router.crash('tiny-a');
        await ears.status('tiny-a', 'unloaded');
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-crash.sse')));
        const status = { value: 'unloaded', exit_code: 1, failed: true };
        expect(normalEntry((await get('/models')).text, 'tiny-a')).toMatchObject({ status });
      });

      it('fails the request under way', async () => {
        const { router, occupy } = await givenLoaded(['mid']);
        const { reply } = await occupy('mid');
        await router.crash('mid');
        expectReply(await reply, 500, 'proxy error: Failed to read connection');
      });

      it('loads a crashed model again', async () => {
        const { router, ears, complete, listing } = await givenLoaded(['tiny-a']);
        await router.crash('tiny-a');
        await ears.status('tiny-a', 'unloaded');
        expect((await complete('tiny-a')).status).toBe(200);
        const entry = (await listing()).find(({ id }) => id === 'tiny-a');
        expect(Object.keys(entry?.status ?? {})).toEqual(['value', 'args', 'preset']);
      });
    });

    describe('rescanning', () => {
      it('finds a new model only when asked to look', async () => {
        const { router, status, get, ears } = await given();
        await router.addModel('tiny-new');
        expect(await status('tiny-new')).toBe('none');
        const reloaded = normalEntry((await get('/models?reload=1')).text, 'tiny-new');
        expect(reloaded).toEqual(normalEntry(recorded('models-after-forced-unload.json'), 'tiny-new'));
        await ears.heard('a rescan', ({ event }) => event === 'models_reload');
        expect(ears.text).toBe(recorded('sse-reload-list.sse').replace(/\n+$/, '\n\n'));
      });

      it('unloads a running model whose file is gone, before it announces the new list', async () => {
        const { router, get, ears, status } = await givenLoaded(['tiny-c']);
        await router.removeModel('tiny-c');
        await get('/models?reload=1');
        await ears.heard('a rescan', ({ event }) => event === 'models_reload');
        expect(normalEvents(ears.events)).toEqual([
          UNLOADED('tiny-c'),
          ...normalEvents(recorded('sse-reload-list.sse')),
        ]);
        expect(await status('tiny-c')).toBe('none');
      });
    });

    describe("a model's own answers", () => {
      it('counts nothing before the first request', async () => {
        const { get } = await givenLoaded(['tiny-a']);
        const { status, type, text } = await get('/metrics?model=tiny-a&autoload=false');
        expect({ status, type }).toEqual({ status: 200, type: 'text/plain; version=0.0.4' });
        expect(text).toBe(recorded('metrics-loaded-idle.prom'));
      });

      it('counts its work, and starts at zero with the next load', async () => {
        const { get, complete, unload, ears, load } = await givenLoaded(['tiny-a']);
        await complete('tiny-a', 5);
        const worked = (await get('/metrics?model=tiny-a&autoload=false')).text;
        expect(worked).toMatch(/^llamacpp:tokens_predicted_total 5$/m);
        expect(worked).toMatch(/^llamacpp:n_decode_total 5$/m);
        expect(worked).toMatch(/^llamacpp:predicted_tokens_seconds [1-9]/m);
        const again = (await get('/metrics?model=tiny-a&autoload=false')).text;
        expect(again).toMatch(/^llamacpp:predicted_tokens_seconds 0$/m);
        await unload('tiny-a');
        await ears.status('tiny-a', 'unloaded');
        await load('tiny-a');
        await ears.status('tiny-a', 'loaded');
        expect((await get('/metrics?model=tiny-a&autoload=false')).text).toBe(
          recorded('metrics-loaded-idle.prom'),
        );
      });

      it('reports that it is busy', async () => {
        const { get, occupy, router } = await givenLoaded(['mid']);
        await occupy('mid');
        const { text } = await get('/metrics?model=mid&autoload=false');
        expect(headings(text)).toEqual(headings(recorded('metrics-loaded-busy.prom')));
        expect(text).toMatch(/^llamacpp:requests_processing 1$/m);
        expect(text).toMatch(/^llamacpp:requests_deferred 0$/m);
        await router.crash('mid');
      });

      it('shows its slots', async () => {
        const { get, occupy, router } = await givenLoaded(['mid']);
        await occupy('mid');
        const { text } = await get('/slots?model=mid&autoload=false');
        const busy = (slots: string) =>
          (JSON.parse(slots) as { is_processing: boolean }[])
            .map(({ is_processing }) => is_processing)
            .sort();
        expect(busy(text)).toEqual(busy(recorded('slots-busy.json')));
        await router.crash('mid');
      });

      it('are refused for a model that is not loaded', async () => {
        const { get } = await given();
        for (const path of ['metrics', 'slots']) {
          expectReply(await get(`/${path}`), 400, recordedJson('metrics-no-model.error.json'));
          const notLoaded = await get(`/${path}?model=tiny-a&autoload=false`);
          expectReply(notLoaded, 400, recordedJson('metrics-not-loaded.error.json'));
          const unknown = await get(`/${path}?model=missing&autoload=false`);
          expectReply(unknown, 400, invalid("model 'missing' not found"));
        }
      });

      it('fail for a model that is loading', async () => {
        const { load, get } = await given();
        await load('mid');
        const reply = await get('/metrics?model=mid&autoload=false');
        expectReply(reply, 500, 'proxy error: Could not establish connection');
      });

      it('loads the model unless told not to', async () => {
        const { get, ears } = await given();
        expect((await get('/metrics?model=tiny-a')).text).toBe(recorded('metrics-loaded-idle.prom'));
        expect(normalEvents(ears.events)).toEqual(normalEvents(recorded('sse-load.sse')));
      });

      it('has no metrics without --metrics', async () => {
        const { get } = await givenLoaded(['tiny-a'], { metrics: false });
        const message = 'This server does not support metrics endpoint. Start it with `--metrics`';
        const reply = await get('/metrics?model=tiny-a&autoload=false');
        expectReply(reply, 501, errorText({ code: 501, message, type: 'not_supported_error' }));
      });

      it('fails with the load that it needs', async () => {
        const { complete } = await given();
        expectReply(await complete('broken'), 500, serverError('model name=broken failed to load'));
      });
    });

    describe('the router itself', () => {
      it('identifies itself as a router', async () => {
        const { get } = await given({ modelsMax: 3 });
        const props = JSON.parse((await get('/props')).text);
        const like = JSON.parse(recorded('props-router.json'));
        const { build_info } = props;
        expect(JSON.stringify(props)).toBe(JSON.stringify({ ...like, max_instances: 3, build_info }));
        expect(build_info).toMatch(/^b\d+-/);
      });

      it('is healthy', async () => {
        const { get } = await given();
        expectReply(await get('/health'), 200, '{"status":"ok"}');
      });

      it('answers 404 to an unknown path', async () => {
        const { get, post } = await given();
        const replies = [get('/nothing'), get('/models/load'), post('/models/unload-all', {})];
        for (const reply of replies) expectReply(await reply, 404, FILE_NOT_FOUND);
      });

      it('refuses a body that is not JSON', async () => {
        const { post } = await given();
        const reply = await post('/models/unload', 'what?');
        expect(reply).toMatchObject({ status: 400, type: JSON_TYPE });
        expect(reply.text).toMatch(/^\{"error":\{"code":400,"message":"\[json\.exception\.parse_error\.101]/);
      });

      it('requires its key everywhere but at /health', async () => {
        const { get, router } = await given({ apiKey: 'sesame' });
        const stranger = createRouterClient(router, patience.seconds);
        const paths = ['/models', '/v1/models', '/models/sse', '/props', '/metrics?model=tiny-a', '/nothing'];
        for (const path of paths) {
          expectReply(await stranger.get(path), 401, recordedJson('unauthorized.error.json'));
        }
        expectReply(await stranger.load('tiny-a'), 401, recordedJson('unauthorized.error.json'));
        const wrong = await stranger.get('/models', { Authorization: 'Bearer wrong' });
        expectReply(wrong, 401, recordedJson('unauthorized.error.json'));
        expect((await stranger.get('/health')).status).toBe(200);
        expect((await stranger.get('/models', { 'X-Api-Key': 'sesame' })).status).toBe(200);
        expect((await get('/models')).status).toBe(200);
      });

      it('sends neither the current state nor past events on its stream', async () => {
        const { listen } = await givenLoaded(['tiny-a']);
        const late = await listen();
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(late.text).toBe('');
        late.close();
      });
    });
  });
}

/** Which of the two depends on how far the process is with closing its door; the second comes when it is killed. */
const NOBODY_LISTENS = expect.stringMatching(
  /^proxy error: (Could not establish|Failed to read) connection$/,
);
const FILE_NOT_FOUND = '{"error":{"message":"File Not Found","type":"not_found_error","code":404}}';
const UNLOADED = (model: string) => unloadedText(model, 0);
const UNLOADED_KILLED = (model: string) => unloadedText(model, 1);

function unloadedText(model: string, exit_code: number): string {
  return JSON.stringify({ model, event: 'status_change', data: { status: 'unloaded', exit_code } });
}

function errorText(error: { code: number; message: string; type: string }): string {
  return JSON.stringify({ error });
}

function invalid(message: string): string {
  return errorText({ code: 400, message, type: 'invalid_request_error' });
}

function serverError(message: string): string {
  return errorText({ code: 500, message, type: 'server_error' });
}

function expectReply(reply: Reply, status: number, text: string): void {
  expect(reply).toEqual({ status, type: JSON_TYPE, text });
}

/** The HELP and TYPE lines of an exposition. */
function headings(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('#'));
}
