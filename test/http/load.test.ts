import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { SWAP_TRAITS } from '../../src/backends/llama-swap/traits.ts';
import { createApp } from '../../src/http/app.ts';
import { ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aLog } from '../support/a-log.ts';
import { aListing, begun, listed } from '../support/a-model.ts';
import { appParts } from '../support/app-parts.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';

/** A service on two routers: attic has qwen loaded and bge, cellar has llama and bge too. */
function aService() {
  const logged: string[] = [];
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const attic = createScriptedControl(clock, store, 'attic');
  const cellar = createScriptedControl(clock, store, 'cellar');
  attic.entry.listed(aListing(listed('qwen', 'loaded', { aliases: ['q'] }), listed('bge', 'unloaded')));
  cellar.entry.listed(aListing(listed('llama', 'unloaded'), listed('bge', 'unloaded')));
  const log = aLog((line) => logged.push(line), 'info');
  const parts = appParts({ store, clock }, { controls: [attic, cellar], log });
  const http = supertest(createApp(parts));

  async function load(body: object) {
    let answer: supertest.Response | undefined;
    void http
      .post('/api/v1/load')
      .send(body)
      .then((got) => {
        answer = got;
      });
    while (answer === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await settled();
      if (answer === undefined) await clock.advance(10);
    }
    return { status: answer.status, body: answer.body, headers: answer.headers };
  }

  return { clock, store, attic, cellar, http, parts, logged, load };
}

describe('POST /api/v1/load', () => {
  it('answers when the model is loaded, with the report of the operation', async () => {
    const { load, http, logged } = aService();
    const answer = await load({ models: ['llama'], reason: 'warm up' });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        action: 'load',
        trigger: 'api',
        outcome: 'success',
        reason: 'warm up',
        routers: [{ router: 'cellar', models: [{ model: 'llama', result: 'loaded', seconds: 0.1 }] }],
        summary: { loaded: 1 },
        still_in_memory: [{ router: 'cellar', model: 'llama', status: 'loaded' }],
      },
    });
    expect(answer.headers.location).toBe(`/api/v1/operations/${answer.body.id}`);
    expect((await http.get(String(answer.headers.location))).body).toEqual(answer.body);
    const { text } = await http.get('/metrics');
    expect(text).toContain('llama_router_load_operations_total{trigger="api",outcome="success"} 1');
    expect(text).toContain('llama_router_unload_operations_total{trigger="api",outcome="success"} 0');
    expect(logged.join()).toContain('msg="load finished"');
  });

  it('knows the model by its alias, and a loaded one needs no load', async () => {
    const { load, attic } = aService();
    const { status, body } = await load({ models: ['q'] });
    expect(status).toBe(200);
    expect(body.outcome).toBe('noop');
    expect(body.routers[0].models).toEqual([{ model: 'qwen', result: 'already_loaded' }]);
    expect(attic.loads).toEqual([]);
  });

  it('asks for the router of a model that several have', async () => {
    const { load, attic, cellar } = aService();
    const answer = await load({ models: ['bge'] });
    expect(answer).toMatchObject({ status: 400, body: { title: 'Which router?' } });
    expect(answer.body.detail).toContain('bge is a model of attic and cellar');
    expect(attic.loads).toEqual([]);
    await load({ models: ['bge'], routers: ['cellar'] });
    expect([attic.loads, cellar.loads]).toEqual([[], ['bge']]);
  });

  it('answers 404 with the name that was meant', async () => {
    const { load } = aService();
    const answer = await load({ models: ['lama'] });
    expect(answer.status).toBe(404);
    expect(answer.body.detail).toBe(
      "No model is named 'lama' on attic, cellar: did you mean 'llama'? Nothing was loaded.",
    );
    expect((await load({ models: ['llama'], routers: ['barn'] })).status).toBe(404);
  });

  it('answers 409 with what to do where the server has no order to load, dry run or not', async () => {
    const { load, attic, cellar } = aService();
    cellar.entry.state.traits = SWAP_TRAITS;
    attic.entry.state.traits = SWAP_TRAITS;
    for (const dry_run of [false, true]) {
      const answer = await load({ models: ['qwen', 'llama'], dry_run });
      expect([answer.status, answer.body.title, answer.body.detail]).toEqual([
        ...[409, 'No order to load'],
        'http://cellar has no order to load a model: llama-swap loads a model when a client sends it a request. Nothing was loaded.',
      ]);
    }
    expect((await load({ models: ['qwen'] })).body.summary).toMatchObject({ already_loaded: 1 });
    expect([attic.loads, cellar.loads]).toEqual([[], []]);
  });

  it('answers 502 with the reason when a model fails, or its router is down', async () => {
    const { load, cellar } = aService();
    cellar.orderLoad = async () => ok('unsupported');
    const failed = await load({ models: ['llama'] });
    expect(failed).toMatchObject({ status: 502, body: { outcome: 'failed' } });
    expect(failed.body.routers[0].models[0].detail).toContain('does not know POST /models/load');
    cellar.entry.failed(UNREACHABLE);
    const down = await load({ models: ['llama'] });
    expect(down).toMatchObject({ status: 502, body: { routers: [{ fault: { kind: 'unreachable' } }] } });
  });

  it('answers 202 without a wait, and goes on', async () => {
    const { load, http, clock, cellar } = aService();
    cellar.orderLoad = async (model) => {
      cellar.later(10, begun(model));
      return ok('accepted');
    };
    const answer = await load({ models: ['llama'], wait: false });
    expect(answer.status).toBe(202);
    await clock.advance(1000);
    const { body } = await http.get(String(answer.headers.location));
    expect(body.routers[0].models).toEqual([{ model: 'llama', result: null, detail: 'loading' }]);
  });

  it('is refused while the router is held, and loads nothing', async () => {
    const { load, parts, clock, cellar, http } = aService();
    const until = clock.now() + 60_000;
    parts.holds.place(aHoldRequest(until, { routers: ['cellar'] }));
    const answer = await load({ models: ['llama'] });
    expect(answer).toMatchObject({
      status: 503,
      body: { outcome: 'refused', routers: [{ refused: { reason: 'held' } }] },
    });
    expect(Number(answer.headers['retry-after'])).toBe(60);
    expect(answer.body.routers[0].refused.detail).toContain('for training (requested by alice)');
    expect(cellar.loads).toEqual([]);
    const { text } = await http.get('/metrics');
    expect(text).toContain('llama_router_load_operations_total{trigger="api",outcome="refused"} 1');
  });

  it('a dry run names what a full router would evict, one model after the other', async () => {
    const { load, attic, clock } = aService();
    attic.entry.props({ modelsMax: 1 });
    attic.entry.activity('qwen', { busy: false, watchedAt: clock.now(), work: 1 });
    const answer = await load({ models: ['bge', 'qwen'], routers: ['attic'], dry_run: true });
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'dry_run' } });
    expect(answer.body.routers[0].models).toEqual([
      { model: 'bge', result: 'would_load', detail: 'evicts qwen, the least recently used' },
      { model: 'qwen', result: 'would_load', detail: 'evicts bge, the least recently used' },
    ]);
    expect(attic.loads).toEqual([]);
  });

  it.each([
    ['models', {}],
    ['models', { models: [] }],
    ['timeout_seconds', { models: ['llama'], timeout_seconds: -1 }],
    ['when_busy', { models: ['llama'], when_busy: 'force' }],
  ])('rejects a body with a bad %s', async (field, body) => {
    const { load } = aService();
    const answer = await load(body);
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toContain(field);
  });
});
