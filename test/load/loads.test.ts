import { describe, expect, it } from '@jest/globals';
import { ok } from '../../src/lib/result.ts';
import type { LoadSteps } from '../../src/load/load-model.ts';
import { createLoads } from '../../src/load/loads.ts';
import { createStore } from '../../src/models/store.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { Operation, Refusal } from '../../src/unload/report.ts';
import type { LoadRequest } from '../../src/unload/request.ts';
import { aListing, begun, ended, listed, recordChanges, turned } from '../support/a-model.ts';
import { aLoadRequest, aRequest } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** Loads on a router that has a, b and c, of which a is loaded, and on another one. */
function aFleet({ modelsMax = 0, held }: { modelsMax?: number; held?: () => Refusal | undefined } = {}) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const control = createScriptedControl(clock, store, 'box');
  const list = (...models: Parameters<typeof listed>[]) =>
    control.entry.listed(aListing(...models.map((model) => listed(...model))));
  list(['a', 'loaded', { instance: 1 }], ['b', 'unloaded', { aliases: ['bee'] }], ['c', 'unloaded']);
  control.entry.props({ modelsMax });
  const operations = createOperations({ controls: () => [control], keep: () => [], clock });
  const loads = createLoads({ operations, controls: () => [control], held: () => held?.(), clock });
  const transitions = recordChanges(store);
  const start = (wish: Partial<LoadRequest>, steps?: LoadSteps) => loads.start(aLoadRequest(wish), steps);

  /** The report of a finished operation; no timer is left. */
  async function finish({ done }: { done: Promise<Operation> }): Promise<Operation> {
    let isOver = false;
    void done.then(() => {
      isOver = true;
    });
    for (let seconds = 0; !isOver && seconds < 1000; seconds += 1) await clock.advance(1000);
    const report = await done;
    expect(clock.pending()).toBe(0);
    return report;
  }

  const load = (wish: Partial<LoadRequest>, steps?: LoadSteps) => finish(start(wish, steps));
  const resultsOf = ({ routers }: Operation) => routers.flatMap(({ models }) => models);
  return { clock, store, control, list, operations, loads, transitions, start, finish, load, resultsOf };
}

describe('a model', () => {
  it('is loaded when its event says so, not when the router accepts the order', async () => {
    const { load, control, transitions } = aFleet();
    const report = await load({ models: ['b'] });
    expect(report).toMatchObject({ action: 'load', outcome: 'success', summary: { loaded: 1 } });
    expect(report.routers).toEqual([
      { router: 'box', models: [{ model: 'b', result: 'loaded', seconds: 0.1 }] },
    ]);
    expect(control.loads).toEqual(['b']);
    expect(transitions).toEqual(['b loaded in 0.09 s']);
  });

  it('is loaded when a listing shows it, requested once a second without events', async () => {
    const { load, control, list, clock, resultsOf } = aFleet();
    control.entry.stream('unsupported');
    control.orderLoad = async () => ok('accepted');
    const loadedAt = clock.now() + 2500;
    control.refresh = async () => {
      const status = clock.now() < loadedAt ? 'loading' : 'loaded';
      if (control.loads.length > 0) list(['b', status, { instance: 2 }]);
    };
    const [result] = resultsOf(await load({ models: ['b'] }));
    expect(result).toMatchObject({ result: 'loaded', seconds: 3 });
  });

  it('that fails to load is reported with its exit code', async () => {
    const { load, control, resultsOf } = aFleet();
    control.orderLoad = async (model) => {
      control.later(10, begun(model));
      control.later(50, ended(model, 1));
      return ok('accepted');
    };
    const report = await load({ models: ['b'] });
    expect(report.outcome).toBe('failed');
    expect(resultsOf(report)).toEqual([
      {
        model: 'b',
        result: 'failed',
        detail: 'its process ended with code 1 while it was loading: the log of llama-server says why',
      },
    ]);
  });

  it('whose earlier unload on a full router is explained only now is loaded', async () => {
    const { load, control, list, resultsOf } = aFleet({ modelsMax: 2 });
    list(['a', 'loaded', { instance: 1 }], ['b', 'loaded', { instance: 2 }]);
    control.entry.event(ended('b'));
    const [result] = resultsOf(await load({ models: ['b'] }));
    expect(result).toEqual({ model: 'b', result: 'loaded', seconds: 0.1 });
  });

  it('reports how far its load is', async () => {
    const { start, finish, control, clock, resultsOf } = aFleet();
    control.orderLoad = async (model) => {
      control.later(10, begun(model), turned(model, 'loading', { progress: 0.42 }));
      control.later(5000, turned(model, 'loaded'));
      return ok('accepted');
    };
    const seen: (string | undefined)[] = [];
    const started = start({ models: ['b'] }, { onProgress: (_, { detail }) => seen.push(detail) });
    await clock.advance(1000);
    expect(resultsOf(started.report())).toEqual([{ model: 'b', result: null, detail: 'loading: 42%' }]);
    await finish(started);
    expect(seen).toEqual(['loading', 'loading: 42%', undefined]);
  });
});

it('models are loaded one after the other, and the caller may skip each directly before its order', async () => {
  const { load, control, resultsOf } = aFleet();
  const ordered: string[] = [];
  const report = await load(
    { models: ['c', 'bee'], trigger: 'restore' },
    {
      mayStart: async (model) => (model === 'c' ? 'a client has unloaded it since' : undefined),
      onOrdered: (model, router) => ordered.push(`${model} on ${router}`),
    },
  );
  expect(report).toMatchObject({ outcome: 'success', summary: { loaded: 1, skipped: 1 } });
  expect(resultsOf(report)).toEqual([
    { model: 'c', result: 'skipped', detail: 'a client has unloaded it since' },
    { model: 'b', result: 'loaded', seconds: 0.1 },
  ]);
  expect(control.loads).toEqual(['b']);
  expect(ordered).toEqual(['b on box']);
});

it('an aborted load orders nothing more and does not wait for the model under way', async () => {
  const { start, finish, control, clock, resultsOf } = aFleet();
  control.orderLoad = async (model) => {
    control.later(10, begun(model));
    return ok('accepted');
  };
  const abort = new AbortController();
  const started = start({ models: ['b', 'c'] }, { signal: abort.signal });
  await clock.advance(1000);
  abort.abort('a hold was placed');
  const report = await finish(started);
  expect(report.outcome).toBe('failed');
  expect(resultsOf(report)).toEqual([
    { model: 'b', result: 'timeout', detail: 'the server accepted the order, but a hold was placed' },
    { model: 'c', result: 'skipped', detail: 'a hold was placed' },
  ]);
});

it('loads and unloads of a router take turns', async () => {
  const { start, finish, operations, control } = aFleet();
  const order: string[] = [];
  control.onTransition((transition) => {
    if (transition.kind === 'model' && transition.change.kind === 'loaded') order.push('loaded');
  });
  const { order: unload } = control;
  control.order = (model) => {
    order.push(`unload ${model}`);
    return unload(model);
  };
  const load = start({ models: ['b'] });
  const unloaded = operations.start(aRequest({ models: ['a'] }));
  expect(operations.list().map(({ action }) => action)).toEqual(['unload', 'load']);
  await finish({ done: Promise.all([load.done, unloaded.done]).then(([report]) => report) });
  expect(order).toEqual(['loaded', 'unload a']);
});

it('nothing is loaded on a held router', async () => {
  const refusal: Refusal = { reason: 'held', detail: 'kept free until 14:05', retry_after_seconds: 60 };
  const { load, control } = aFleet({ held: () => refusal });
  const report = await load({ models: ['b'] });
  expect(report).toMatchObject({
    outcome: 'refused',
    routers: [{ router: 'box', refused: refusal, models: [] }],
  });
  expect(control.loads).toEqual([]);
});

it('a router that goes down ends the load', async () => {
  const { load, control, resultsOf } = aFleet();
  control.orderLoad = async (model) => {
    control.later(10, begun(model));
    return ok('accepted');
  };
  control.refresh = async () => {
    if (control.loads.length > 0) control.entry.failed(UNREACHABLE);
  };
  const [result] = resultsOf(await load({ models: ['b'] }));
  expect(result).toMatchObject({ result: 'failed', detail: expect.stringContaining('but then: ') });
});
