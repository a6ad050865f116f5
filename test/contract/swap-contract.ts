import { afterEach, describe, expect, it } from '@jest/globals';
import { createSwapClient, type SwapClient, type SwapEars } from './swap-client.ts';
import {
  ODD_ID,
  type StartSwap,
  type SwapPatience,
  type SwapStartOptions,
  type SwapUnderTest,
} from './swap-under-test.ts';

/** Tokens that keep a model busy for as long as a test wants. */
const ENDLESS = 1_000_000;

/** The behaviour of llama-swap that the exporter relies on: the same tests for the simulated and a real one. */
export function describeSwapContract(name: string, start: StartSwap, patience: SwapPatience): void {
  describe(`the contract of llama-swap, by ${name}`, () => {
    let swap: SwapUnderTest | undefined;
    let ears: SwapEars | undefined;

    type Given = SwapClient & { swap: SwapUnderTest; ears: SwapEars };

    async function given(options: SwapStartOptions = {}): Promise<Given> {
      swap = await start(options);
      const client = createSwapClient(swap, patience.seconds);
      ears = await client.listen();
      return { ...client, swap, ears };
    }

    /** Loads these models one after the other and forgets how. */
    async function givenLoaded(...models: string[]): Promise<Given> {
      const client = await given();
      for (const model of models) {
        await client.complete(model);
        await client.ears.becomes(model, 'ready');
      }
      await client.until('quiet', () => client.ears.inFlight.length === 0);
      client.ears.forget();
      return client;
    }

    /** Starts an endless generation and resolves when it runs; `reply` is its end. */
    async function occupy({ complete, ears, untilGenerating }: Given, model: string, stream = false) {
      const reply = complete(model, ENDLESS, stream);
      reply.catch(() => {});
      await ears.becomes(model, 'ready');
      await untilGenerating(model);
      return { reply };
    }

    afterEach(async () => {
      ears?.close();
      await swap?.stop();
      swap = undefined;
    });

    describe('lists', () => {
      it('has nothing in /running while nothing is loaded', async () => {
        const { get } = await given();
        expect(await get('/running')).toEqual({
          status: 200,
          type: 'application/json',
          text: '{"running":[]}\n',
        });
      });

      it('shows in /running the command, the address and the ttl of a loaded model', async () => {
        const { get } = await givenLoaded('tiny-c', 'tiny-a', 'hidden');
        const { running } = JSON.parse((await get('/running')).text);
        expect(running).toEqual([
          expect.objectContaining({ model: 'hidden', ttl: 300 }),
          {
            model: 'tiny-a',
            state: 'ready',
            cmd: expect.stringContaining('llama-server'),
            proxy: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
            ttl: 0,
            name: 'Tiny A',
            description: 'a tiny one',
          },
          expect.objectContaining({ model: 'tiny-c', state: 'ready' }),
        ]);
        const port = new URL(running[1].proxy).port;
        expect(running[1].cmd).toContain(`--port ${port} `);
      });

      it('mixes models with peers, selectors and pins at /v1/models, and hides unlisted ones', async () => {
        const { get, put } = await givenLoaded('tiny-c');
        await put('/api/profiles/active', { name: 'work' });
        const { type, text } = await get('/v1/models');
        expect(type).toBe('application/json');
        const { data, object } = JSON.parse(text);
        expect(object).toBe('list');
        const seen = data.map((model: Record<string, never>) => {
          const { id, object, owned_by, meta, status } = model as unknown as ListedEntry;
          return [id, meta.llamaswap.type, status.value, object, owned_by].join(' · ');
        });
        const model = (id: string, what = 'model', value = 'unloaded') =>
          `${id} · ${what} · ${value} · model · llama-swap`;
        expect(seen).toEqual([
          model('any', 'selector', 'loaded'),
          model('broken'),
          model('endless'),
          model('far/org/remote', 'peer'),
          model('far/remote-model', 'peer'),
          model('mid'),
          model('mid-pair'),
          model(ODD_ID),
          model('pinned', 'profile'),
          model('tiny-a'),
          model('tiny-b'),
          model('tiny-c', 'model', 'loaded'),
          model('tiny-ttl'),
        ]);
        expect(data.find(({ id }: ListedEntry) => id === 'tiny-a')).toMatchObject({
          name: 'Tiny A',
          description: 'a tiny one',
          meta: { llamaswap: { aliases: ['gpt-4o-mini', 'alias/with slash'] } },
        });
        const idsOf = (body: string) => JSON.parse(body).data.map(({ id }: ListedEntry) => id);
        expect(idsOf((await get('/models')).text)).toEqual(idsOf(text));
      });

      it('shows a starting model as loaded at /v1/models, and as starting in /running', async () => {
        const { complete, ears, get, running } = await given();
        complete('endless').catch(() => {});
        await ears.becomes('endless', 'starting');
        const { data } = JSON.parse((await get('/v1/models')).text);
        expect(data.find(({ id }: ListedEntry) => id === 'endless').status).toEqual({ value: 'loaded' });
        expect(await running()).toEqual(['endless: starting']);
      });
    });

    describe('events', () => {
      it('begin with all models, local and remote, and the requests under way', async () => {
        const { ears } = await given();
        expect(ears.types).toEqual(['modelStatus', 'uiConfig', 'profileChanged', 'inflight']);
        const local = { state: 'stopped', peerID: '' };
        const remote = { state: '', peerID: 'far', unlisted: false };
        expect(ears.first.map(({ id }) => id)).toEqual([
          ...['broken', 'endless', 'hidden', 'mid', 'mid-pair', ODD_ID],
          ...['tiny-a', 'tiny-b', 'tiny-c', 'tiny-ttl', 'far/remote-model', 'far/org/remote'],
        ]);
        expect(ears.first).toEqual(
          expect.arrayContaining([
            { id: 'tiny-b', name: '', description: '', unlisted: false, ...local },
            { id: 'hidden', name: '', description: '', unlisted: true, ...local },
            expect.objectContaining({ id: 'tiny-a', aliases: ['gpt-4o-mini', 'alias/with slash'], ...local }),
            { id: 'far/org/remote', name: '', description: '', ...remote },
          ]),
        );
      });

      it('report a load by its states, and its request from arrival to answer', async () => {
        const { complete, ears, until } = await given();
        const reply = complete('tiny-c');
        await ears.becomes('tiny-c', 'starting');
        expect(ears.inFlight).toEqual(['tiny-c']);
        expect((await reply).status).toBe(200);
        await until('the end of the request', () => ears.inFlight.length === 0);
        expect(ears.changes).toEqual(['tiny-c: stopped > starting', 'tiny-c: starting > ready']);
      });

      it('begin with the requests that are served or wait', async () => {
        const client = await given();
        await occupy(client, 'mid');
        client.complete('endless').catch(() => {});
        await client.until('both', () => client.ears.inFlight.length === 2);
        const late = await client.listen();
        expect(late.inFlight).toEqual(['endless', 'mid']);
        expect([late.state('mid'), late.state('endless')]).toEqual(['ready', 'starting']);
        late.close();
      });

      it('name the model of a request by its id where the client used an alias', async () => {
        const { complete, ears, until } = await given();
        const reply = complete('alias/with slash');
        await until('the request', () => ears.inFlight.length > 0);
        expect(ears.inFlight).toEqual(['tiny-a']);
        await reply;
      });
    });

    describe('unloading', () => {
      it('answers when the model is gone', async () => {
        const { unload, ears, running } = await givenLoaded('tiny-c');
        expect(await unload('tiny-c')).toEqual(OK);
        expect(await running()).toEqual([]);
        await ears.becomes('tiny-c', 'stopped');
        expect(ears.changes).toEqual(['tiny-c: ready > stopping', 'tiny-c: stopping > stopped']);
      });

      it('takes ids and aliases with slashes, encoded or not', async () => {
        const { complete, unload, post, ears } = await givenLoaded(ODD_ID);
        expect(await unload(ODD_ID)).toEqual(OK);
        await complete('tiny-a');
        expect(await unload('alias/with slash')).toEqual(OK);
        await complete('tiny-a');
        expect(await post('/api/models/unload/alias/with%20slash')).toEqual(OK);
        await ears.becomes('tiny-a', 'stopped');
        expect(ears.changes.filter((change) => change.endsWith('ready > stopping'))).toEqual([
          `${ODD_ID}: ready > stopping`,
          'tiny-a: ready > stopping',
          'tiny-a: ready > stopping',
        ]);
      });

      it('answers the same for a model that is not running, and 404 for what is no model of its own', async () => {
        const { unload, ears } = await given();
        expect(await unload('tiny-c')).toEqual(OK);
        for (const name of ['missing', 'far/remote-model', 'any', 'pinned']) {
          expect(await unload(name)).toEqual(
            error(404, 'model not found', 'invalid_request_error', 'not_found'),
          );
        }
        expect(ears.changes).toEqual([]);
      });

      it('unloads all models by POST, and by GET', async () => {
        const { complete, get, post, running } = await givenLoaded('tiny-a', 'tiny-c', 'mid');
        expect(await post('/api/models/unload')).toEqual({
          status: 200,
          type: 'application/json',
          text: '{"msg":"ok"}\n',
        });
        expect(await running()).toEqual([]);
        await complete('tiny-c');
        expect(await get('/unload')).toEqual(OK);
        expect(await running()).toEqual([]);
      });

      it('ends a start under way: its clients get an error', async () => {
        const { complete, unload, ears } = await given();
        const client = complete('endless');
        await ears.becomes('endless', 'starting');
        expect(await unload('endless')).toEqual(OK);
        expect(await client).toEqual(serverError('unspecific error: group: model unloaded'));
        await ears.becomes('endless', 'stopped');
        expect(ears.changes).toEqual(['endless: stopped > starting', 'endless: starting > stopped']);
      });

      it('goes from stopping to starting, with or without stopped, when a request waits behind it', async () => {
        const client = await givenLoaded('tiny-c');
        const { reply } = await occupy(client, 'mid');
        client.ears.forget();
        const unloaded = client.unload('mid');
        await client.ears.becomes('mid', 'stopping');
        const next = client.complete('mid');
        await unloaded;
        expect((await next).status).toBe(200);
        await reply;
        expect(client.ears.changes.filter((change) => !change.endsWith('> stopped'))).toEqual([
          'mid: ready > stopping',
          expect.stringMatching(/^mid: (stopping|stopped) > starting$/),
          'mid: starting > ready',
        ]);
      });

      it('cuts off the stream of a busy model: it ends as if complete, without [DONE]', async () => {
        const client = await givenLoaded('tiny-c');
        const complete = await client.complete('tiny-c', 1, true);
        expect(complete.text).toMatch(/^data: \{.*\n\ndata: \[DONE]\n\n$/s);
        const { reply } = await occupy(client, 'mid', true);
        await client.until('the answer to begin', () => client.ears.answering.includes('mid'));
        expect(await client.unload('mid')).toEqual(OK);
        const { status, text } = await reply;
        expect(status).toBe(200);
        expect(text).toMatch(/^data: \{/);
        expect(text).not.toContain('[DONE]');
      });

      it('holds up requests for other models for as long as a busy one takes to stop', async () => {
        const client = await givenLoaded('tiny-c');
        const { reply } = await occupy(client, 'mid');
        const orderedAt = performance.now();
        let unloadedAfter = 0;
        const unloaded = client.unload('mid').then((answer) => {
          unloadedAfter = performance.now() - orderedAt;
          return answer;
        });
        await client.ears.becomes('mid', 'stopping');
        expect(await client.running()).toEqual(['mid: stopping', 'tiny-c: ready']);
        expect((await client.complete('tiny-c')).status).toBe(200);
        const otherAfter = performance.now() - orderedAt;
        expect(await unloaded).toEqual(OK);
        // Timers and clocks may differ by some milliseconds.
        const least = patience.unloadTimeoutSeconds * 1000 - 20;
        expect([unloadedAfter > least, otherAfter > least]).toEqual([true, true]);
        expect(await reply).toEqual({ status: 502, type: null, text: '' });
        await client.until('quiet', () => client.ears.inFlight.length === 0);
      });
    });

    describe('evictions and ends', () => {
      it('evicts a model of the same group, and leaves other groups alone', async () => {
        const { complete, ears, running } = await givenLoaded('tiny-c', 'mid', 'tiny-a');
        await complete('tiny-b');
        expect(await running()).toEqual(['mid: ready', 'tiny-b: ready', 'tiny-c: ready']);
        await ears.becomes('tiny-b', 'ready');
        expect(ears.changes[0]).toBe('tiny-a: ready > stopping');
        expect(ears.changes.slice(1, 3).sort()).toEqual([
          'tiny-a: stopping > stopped',
          'tiny-b: stopped > starting',
        ]);
        expect(ears.changes.slice(3)).toEqual(['tiny-b: starting > ready']);
      });

      it('evicts all groups for a model of none', async () => {
        const { complete, running } = await givenLoaded('tiny-a', 'tiny-c', 'mid');
        await complete(ODD_ID);
        expect(await running()).toEqual([`${ODD_ID}: ready`]);
      });

      it('evicts a busy model when it has finished', async () => {
        const client = await givenLoaded('mid-pair');
        const busy = client.complete('mid-pair', 100);
        await client.until('the request', () => client.ears.inFlight.length > 0);
        expect((await client.complete('tiny-a')).status).toBe(200);
        expect(await busy).toMatchObject({
          status: 200,
          text: expect.stringContaining('"completion_tokens":100'),
        });
        expect(await client.running()).toEqual(['tiny-a: ready']);
      });

      it('unloads a model whose ttl has passed, although its own port is asked for metrics', async () => {
        const { complete, ears, until, metricsUrl } = await given();
        const reply = complete('tiny-ttl');
        await ears.becomes('tiny-ttl', 'starting');
        const metrics = await metricsUrl('tiny-ttl');
        await reply;
        await until('the ttl', async () => {
          await fetch(metrics).then(
            (answer) => answer.arrayBuffer(),
            () => {},
          );
          return ears.changes.length === 4;
        });
        expect(ears.changes).toEqual([
          'tiny-ttl: stopped > starting',
          'tiny-ttl: starting > ready',
          'tiny-ttl: ready > stopping',
          'tiny-ttl: stopping > stopped',
        ]);
      });

      it('reports a crash as the end of a ready model, without stopping', async () => {
        const client = await given();
        const { reply } = await occupy(client, 'mid');
        client.ears.forget();
        await client.swap.crash('mid');
        await client.ears.becomes('mid', 'stopped');
        expect(client.ears.changes).toEqual(['mid: ready > stopped']);
        expect(await client.running()).toEqual([]);
        expect(await reply).toEqual({ status: 502, type: null, text: '' });
      });

      it('reports a failed start as the end of a starting model', async () => {
        const { complete, ears } = await given();
        expect(await complete('broken')).toEqual(
          serverError('unspecific error: upstream command exited prematurely'),
        );
        await ears.becomes('broken', 'stopped');
        expect(ears.changes).toEqual(['broken: stopped > starting', 'broken: starting > stopped']);
      });

      it('no longer lists a busy model when it reads its configuration again, long before the process ends', async () => {
        const client = await given();
        const { reply } = await occupy(client, 'mid');
        await client.swap.reload();
        await client.until('the end of the stream', () => client.ears.ended);
        await client.until('the new configuration', () =>
          client.running().then(
            (running) => running.length === 0,
            () => false,
          ),
        );
        const pause = new Promise((resolve) => setTimeout(resolve, 100));
        expect(await Promise.race([reply, pause.then(() => 'still waiting')])).toBe('still waiting');
      });

      it('ends its streams and forgets its models when it reads its configuration again', async () => {
        const client = await givenLoaded('tiny-c');
        await client.swap.reload();
        await client.until('the end of the stream', () => client.ears.ended);
        let later: SwapEars | undefined;
        await client.until('a new stream', async () => {
          later = await client.listen().catch(() => undefined);
          return later !== undefined;
        });
        expect(later?.first.every(({ state }) => state === 'stopped' || state === '')).toBe(true);
        later?.close();
        expect(await client.running()).toEqual([]);
        expect((await client.complete('tiny-b')).status).toBe(200);
      });
    });

    describe('a killed one', () => {
      it('leaves the processes of its models, which the next one can neither list nor start', async () => {
        const { swap, ears, until, complete, running, metricsUrl } = await givenLoaded('tiny-c');
        const metrics = await metricsUrl('tiny-c');
        await swap.kill();
        await until('the end of the stream', () => ears.ended);
        await swap.start();
        expect(await running()).toEqual([]);
        expect((await fetch(metrics)).status).toBe(200);
        expect(await complete('tiny-c')).toEqual(
          serverError('unspecific error: upstream command exited prematurely'),
        );
        expect((await complete('tiny-b')).status).toBe(200);
        expect(await running()).toEqual(['tiny-b: ready']);
      });
    });

    describe('what a monitoring client must know', () => {
      it('loads a model for any question passed on to it', async () => {
        const { get, running } = await given();
        expect((await get('/upstream/tiny-c/metrics')).text).toContain('llamacpp:requests_processing');
        expect((await get('/props?model=tiny-b')).text).toContain('total_slots');
        expect(await running()).toEqual(['tiny-b: ready', 'tiny-c: ready']);
      });

      it('answers /metrics with those of the host, for any model', async () => {
        const { get } = await givenLoaded('tiny-c');
        for (const path of ['/metrics', '/metrics?model=tiny-c&autoload=false']) {
          const { status, text } = await get(path);
          expect([status, text.includes('llamacpp:')]).toEqual([200, false]);
        }
      });

      it('has none of the paths of a router but those of OpenAI', async () => {
        const { get, post } = await given();
        const replies = [
          get('/models/sse'),
          get('/slots'),
          get('/nothing'),
          post('/models/load', { model: 'tiny-a' }),
          post('/models/unload', { model: 'tiny-a' }),
          post('/api/models/load/tiny-a'),
        ];
        for (const reply of replies) {
          expect(await reply).toEqual({
            status: 404,
            type: 'text/plain; charset=utf-8',
            text: '404 page not found\n',
          });
        }
        expect(await get('/props')).toEqual(NO_MODEL);
      });

      it('answers 404 to a request for an unknown model', async () => {
        const { complete } = await given();
        expect(await complete('missing')).toEqual(
          error(404, 'no router for requested model', 'invalid_request_error', 'not_found'),
        );
        expect(await complete('')).toEqual(NO_MODEL);
      });

      it('tells its version, and that it is healthy', async () => {
        const { get } = await given();
        const { build_date, commit, version } = JSON.parse((await get('/api/version')).text);
        expect([build_date, commit, version].every((text) => typeof text === 'string')).toBe(true);
        expect(await get('/health')).toEqual(OK);
      });

      it('requires a key everywhere but at /health, given in one of three ways', async () => {
        swap = await start({ apiKeys: ['sesame', 'open'] });
        const { get, unload } = createSwapClient(swap, patience.seconds);
        const unauthorized = error(
          401,
          'unauthorized: invalid or missing API key',
          'authentication_error',
          'unauthorized',
        );
        for (const path of ['/running', '/v1/models', '/api/events', '/api/version', '/metrics', '/unload']) {
          expect(await get(path)).toEqual(unauthorized);
        }
        expect(await unload('tiny-a')).toEqual(unauthorized);
        expect(await get('/running', { Authorization: 'Bearer wrong' })).toEqual(unauthorized);
        expect((await get('/health')).status).toBe(200);
        const basic = Buffer.from('user:open').toString('base64');
        for (const headers of [
          { Authorization: 'Bearer sesame' },
          { Authorization: `Basic ${basic}` },
          { 'X-Api-Key': 'open' },
        ]) {
          expect((await get('/running', headers)).status).toBe(200);
        }
      });
    });
  });
}

interface ListedEntry {
  readonly id: string;
  readonly object: string;
  readonly owned_by: string;
  readonly meta: { readonly llamaswap: { readonly type: string } };
  readonly status: { readonly value: string };
}

const OK = { status: 200, type: 'text/plain; charset=utf-8', text: 'OK' };
const NO_MODEL = error(404, 'no model id could be identified', 'invalid_request_error', 'not_found');

const serverError = (message: string) => error(500, message, 'server_error', 'internal_error');

function error(status: number, message: string, type: string, code: string) {
  const body = { src: 'llama-swap', error: { message, type, param: null, code } };
  return { status, type: 'application/json', text: JSON.stringify(body) };
}
