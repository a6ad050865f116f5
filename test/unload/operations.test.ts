import { describe, expect, it } from '@jest/globals';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { createGuards, type Loop } from '../../src/unload/guards.ts';
import type { Started } from '../../src/unload/operation.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { Operation } from '../../src/unload/report.ts';
import { aListing, begun, ended, listed, turned } from '../support/a-model.ts';
import { aRequest, GUARD_RULES } from '../support/a-request.ts';
import { addRouter } from '../support/driven-router.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** Two routers, and the operations on them. */
function aFleet(keep: Record<string, string[]> = {}) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const attic = createScriptedControl(clock, store, 'attic', 'qwen', 'bge');
  const cellar = createScriptedControl(clock, store, 'cellar', 'llama');
  const loops: Loop[] = [];
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    (loop) => loops.push(loop),
  );
  store.onTransition(guards.observe);
  const followed = [attic, cellar];
  const operations = createOperations({
    controls: () => followed,
    keep: (router) => keep[router] ?? [],
    guards,
    clock,
  });
  const finish = async ({ done }: Started): Promise<Operation> => {
    let operation: Operation | undefined;
    void done.then((ended) => {
      operation = ended;
    });
    for (let seconds = 0; operation === undefined && seconds < 600; seconds += 1) await clock.advance(1000);
    return operation ?? done;
  };
  return {
    clock,
    store,
    attic,
    cellar,
    followed,
    guards,
    operations,
    loops,
    finish,
    start: (wish: Wish = {}) => operations.start(aRequest(wish)),
    async operate(wish: Wish = {}) {
      const progress: string[] = [];
      const started = operations.start(aRequest(wish), {
        onProgress: (router, { model, result }) => progress.push(`${router} ${model} ${result}`),
      });
      return { operation: await finish(started), progress };
    },
  };
}

type Wish = Parameters<typeof aRequest>[0];

const gone = (model: string) => ({ model, result: 'unloaded', seconds: 0.05 });

describe('an operation', () => {
  it('unloads every model on every router and reports the results', async () => {
    const { operate } = aFleet();
    const { operation, progress } = await operate();
    expect(operation).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      action: 'unload',
      trigger: 'api',
      caller: { name: 'alice' },
      reason: 'memory is needed',
      when_busy: 'wait',
      outcome: 'success',
      dry_run: false,
      started_at: '2023-11-14T22:13:20.000Z',
      duration_seconds: 0.05,
      routers: [
        { router: 'attic', models: [gone('qwen'), gone('bge')] },
        { router: 'cellar', models: [gone('llama')] },
      ],
      summary: {
        unloaded: 3,
        already_unloaded: 0,
        kept: 0,
        busy: 0,
        failed: 0,
        loaded: 0,
        already_loaded: 0,
        skipped: 0,
      },
      still_in_memory: [],
      unmatched_keep: [],
    });
    expect(progress.toSorted()).toEqual([
      'attic bge unloaded',
      'attic qwen unloaded',
      'cellar llama unloaded',
    ]);
  });

  it('can be limited to some routers and models', async () => {
    const { operate, attic, cellar } = aFleet();
    const { operation } = await operate({ routers: ['attic'], keep: ['b*'] });
    expect(operation.routers).toEqual([
      {
        router: 'attic',
        models: [gone('qwen'), { model: 'bge', result: 'kept', detail: 'it is on the keep list' }],
      },
    ]);
    expect([attic.ordered, cellar.ordered]).toEqual([['qwen'], []]);
  });

  it('that is a dry run probes and orders nothing', async () => {
    const { operate, attic, cellar } = aFleet();
    const { operation, progress } = await operate({ dryRun: true, keep: ['bge'] });
    expect(operation).toMatchObject({ outcome: 'dry_run', dry_run: true, duration_seconds: 0 });
    expect(progress).toEqual(['attic qwen would_unload', 'attic bge kept', 'cellar llama would_unload']);
    expect([attic.asked, attic.ordered, cellar.asked, cellar.ordered]).toEqual([[], [], [], []]);
  });

  it('without loaded models is a noop', async () => {
    const { operate, attic, cellar } = aFleet();
    for (const { entry } of [attic, cellar]) entry.listed(aListing(listed('qwen', 'unloaded')));
    expect((await operate()).operation).toMatchObject({
      outcome: 'noop',
      routers: [{ models: [] }, { models: [] }],
    });
  });
});

describe('a router that', () => {
  it('hangs does not delay the others', async () => {
    const { operate, attic, clock } = aFleet();
    const startedAt = clock.now();
    const at: Record<string, number> = {};
    attic.onTransition((transition) => {
      if (transition.kind === 'model') at[transition.model] ??= transition.at - startedAt;
    });
    attic.order = () => new Promise((resolve) => clock.after(5000, () => resolve(failed(TIMEOUT))));
    const { operation } = await operate();
    expect(at).toEqual({ llama: 50 });
    expect(operation).toMatchObject({
      outcome: 'partial',
      duration_seconds: 5,
      routers: [
        {
          models: [
            { model: 'qwen', result: 'failed', detail: TIMEOUT.message },
            { model: 'bge', result: 'failed', detail: TIMEOUT.message },
          ],
        },
        { models: [gone('llama')] },
      ],
    });
  });

  it('is down is a fault in the report and gets no requests', async () => {
    const { operate, attic } = aFleet();
    attic.entry.failed(UNREACHABLE);
    const { operation } = await operate();
    expect(operation.routers[0]).toEqual({ router: 'attic', models: [], fault: UNREACHABLE });
    expect(operation.outcome).toBe('partial');
    expect([attic.asked, attic.ordered]).toEqual([[], []]);
  });

  it('has not been listed yet is a fault', async () => {
    const { operate, store, attic, followed } = aFleet();
    followed.push({ ...attic, state: addRouter(store, 'new', 'http://new').state });
    expect((await operate({ routers: ['new'] })).operation.routers).toEqual([
      { router: 'new', models: [], fault: { kind: 'timeout', message: 'http://new has not answered yet' } },
    ]);
  });

  it('does not exist is a fault, because the name is most likely misspelt', async () => {
    const { operate } = aFleet();
    const { operation } = await operate({ routers: ['attik'] });
    expect(operation).toMatchObject({
      outcome: 'failed',
      routers: [
        {
          router: 'attik',
          models: [],
          fault: { kind: 'unknown_router', message: 'no router is named attik; there is attic, cellar' },
        },
      ],
    });
  });
});

describe('an operation acts on a listing made after its request', () => {
  it('one for each router, while events arrive', async () => {
    const { operate, attic, cellar } = aFleet();
    await operate();
    await operate({ dryRun: true, routers: ['attic'] });
    expect([attic.refreshes, cellar.refreshes]).toEqual([2, 1]);
  });

  it('and a second one at its end, where none do', async () => {
    const { operate, attic } = aFleet();
    attic.entry.stream('unsupported');
    await operate({ routers: ['attic'] });
    expect(attic.refreshes).toBe(2);
  });

  it.each([true, false])('and plans for what appears in it (dry run: %s)', async (dryRun) => {
    const { operate, cellar } = aFleet();
    cellar.refresh = async () => {
      if (cellar.ordered.length > 0) return;
      cellar.entry.listed(aListing(listed('llama', 'unloaded', { instance: 1 }), listed('new', 'loaded')));
    };
    const { operation } = await operate({ routers: ['cellar'], dryRun });
    expect(operation.routers[0]?.models).toMatchObject([
      { model: 'new', result: dryRun ? 'would_unload' : 'unloaded' },
    ]);
  });

  it('also when it waits behind another one', async () => {
    const { start, finish, cellar, clock } = aFleet();
    cellar.doing.set('llama', { kind: 'busy' });
    const first = start({ routers: ['cellar'], models: ['llama'] });
    const second = start({ routers: ['cellar'] });
    await clock.advance(10_000);
    expect(cellar.refreshes).toBe(1);
    cellar.refresh = async () => {
      if (!cellar.ordered.includes('new')) {
        cellar.entry.listed(aListing(listed('llama', 'unloaded', { instance: 1 }), listed('new', 'loaded')));
      }
    };
    cellar.doing.clear();
    expect((await finish(second)).routers[0]?.models).toMatchObject([{ model: 'new', result: 'unloaded' }]);
    expect((await first.done).outcome).toBe('success');
  });

  it('that joins a running one: the models are listed and planned again at once', async () => {
    const { start, finish, cellar, clock } = aFleet();
    cellar.doing.set('llama', { kind: 'busy' });
    const first = start({ routers: ['cellar'] });
    await clock.advance(1000);
    cellar.refresh = async () => {
      if (cellar.ordered.length > 0) return;
      cellar.entry.listed(aListing(listed('llama', 'loaded', { instance: 1 }), listed('new', 'loaded')));
    };
    expect(start({ routers: ['cellar'] })).toMatchObject({ joined: true, id: first.id });
    await clock.advance(1000);
    expect(first.report().routers[0]?.models).toMatchObject([
      { model: 'llama', result: null },
      { model: 'new', result: 'unloaded' },
    ]);
    cellar.doing.clear();
    expect((await finish(first)).routers[0]?.models).toHaveLength(2);
  });

  it('that joins an operation which has ended on one of its routers: that router is listed again', async () => {
    const { start, finish, cellar, attic, clock } = aFleet();
    cellar.doing.set('llama', { kind: 'busy' });
    const first = start({ keep: ['bge'] });
    await clock.advance(1000);
    attic.refresh = async () => {
      attic.entry.listed(aListing(listed('bge', 'loaded'), listed('new', 'loaded')));
    };
    expect(start({ keep: ['bge'] })).toMatchObject({ joined: true, id: first.id });
    cellar.doing.clear();
    const { routers } = await finish(first);
    expect(routers[0]?.models).toMatchObject([
      { model: 'qwen', result: 'unloaded' },
      { model: 'bge', result: 'kept' },
      { model: 'new', result: 'unloaded' },
    ]);
  });

  it('so a request for an amount of memory joins no operation that has chosen its models', async () => {
    const { start, finish, cellar, clock } = aFleet();
    cellar.doing.set('llama', { kind: 'busy' });
    const wish = { routers: ['cellar'], target: { freeBytes: 1 } };
    const first = start(wish);
    const queued = start(wish);
    await clock.advance(1000);
    expect(queued.joined).toBe(true);
    expect(start(wish).joined).toBe(false);
    cellar.doing.clear();
    await finish(first);
  });
});

describe('a server that cannot be unloaded', () => {
  it('because it lists models without a status is a fault, also in a dry run', async () => {
    const { operate, attic } = aFleet();
    attic.entry.listed(aListing(listed('qwen', 'other'), listed('bge', 'other')));
    for (const dryRun of [false, true]) {
      const { operation } = await operate({ routers: ['attic'], dryRun });
      expect(operation.outcome).toBe(dryRun ? 'dry_run' : 'failed');
      expect(operation.routers).toEqual([
        {
          router: 'attic',
          models: [],
          fault: {
            kind: 'no_statuses',
            message: expect.stringContaining('without telling which are loaded'),
          },
        },
      ]);
    }
  });

  it('in part fails for the models without a status', async () => {
    const { operate, attic } = aFleet();
    attic.entry.listed(aListing(listed('qwen', 'loaded', { instance: 1 }), listed('bge', 'other')));
    const { operation } = await operate({ routers: ['attic'] });
    expect(operation).toMatchObject({ outcome: 'partial', summary: { unloaded: 1, failed: 1 } });
  });

  it('because it has no unload order is not waited for', async () => {
    const { operate, attic } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    attic.order = async () => ok('unsupported');
    const { operation } = await operate({ routers: ['attic'] });
    expect(operation).toMatchObject({ outcome: 'failed', duration_seconds: 0 });
    expect(operation.routers[0]?.models).toEqual([
      {
        model: 'qwen',
        result: 'busy',
        detail: 'it is generating; http://attic does not know POST /models/unload',
      },
      {
        model: 'bge',
        result: 'failed',
        detail:
          'http://attic does not know POST /models/unload: only a llama-server in router mode unloads models; ' +
          'a proxy in front of it must let this path pass',
      },
    ]);
  });
});

describe('what is still in memory', () => {
  it('is reported: kept models, busy ones, and those on other lists than the request', async () => {
    const { operate, attic } = aFleet({ attic: ['bge'] });
    attic.doing.set('qwen', { kind: 'busy' });
    const { operation } = await operate({ whenBusy: 'skip' });
    expect(operation.still_in_memory).toEqual([
      { router: 'attic', model: 'qwen', status: 'loaded' },
      { router: 'attic', model: 'bge', status: 'loaded' },
    ]);
  });

  it('is known while the operation runs', async () => {
    const { start, finish, cellar, clock } = aFleet();
    cellar.order = async (model) => {
      cellar.later(5000, ended(model));
      return ok('accepted');
    };
    const started = start();
    await clock.advance(1000);
    expect(started.report().still_in_memory).toEqual([
      { router: 'cellar', model: 'llama', status: 'loaded' },
    ]);
    expect((await finish(started)).still_in_memory).toEqual([]);
  });

  it.each([
    ['on a full router, where a client may wait for the place', { modelsMax: 1 }, true],
    ['not on a router with free places', { modelsMax: 4 }, false],
  ])('includes what is loaded in its place within 50 ms, %s', async (_, props, included) => {
    const { operate, cellar } = aFleet({ cellar: ['kept*'] });
    cellar.entry.props(props);
    cellar.order = async (model) => {
      cellar.later(50, ended(model));
      cellar.later(58, begun('next'), begun('kept-next'));
      return ok('accepted');
    };
    const { operation } = await operate({ routers: ['cellar'] });
    expect(operation.still_in_memory).toEqual(
      included
        ? [
            { router: 'cellar', model: 'next', status: 'loading' },
            { router: 'cellar', model: 'kept-next', status: 'loading' },
          ]
        : [],
    );
    expect(operation.routers[0]?.models.map(({ model, result }) => [model, result])).toEqual([
      ['llama', 'unloaded'],
      ...(included ? [['kept-next', 'kept']] : []),
    ]);
  });

  it('is not known of a router that is down', async () => {
    const { operate, cellar } = aFleet();
    cellar.entry.failed(UNREACHABLE);
    expect((await operate({ routers: ['cellar'] })).operation.still_in_memory).toEqual([]);
  });
});

describe('a keep pattern', () => {
  it('that matches no model is reported, of the request and of the configuration', async () => {
    const { operate } = aFleet({ attic: ['bge', 'bgee'] });
    const { operation } = await operate({ keep: ['llama', 'lama'] });
    expect(operation.unmatched_keep).toEqual(['lama', 'bgee']);
  });

  it('is not reported when no router could be listed', async () => {
    const { operate, cellar } = aFleet();
    cellar.entry.failed(UNREACHABLE);
    expect((await operate({ routers: ['cellar'], keep: ['x'] })).operation.unmatched_keep).toEqual([]);
  });
});

describe('a pattern', () => {
  it('has to match on one router only', async () => {
    const { operate } = aFleet();
    const { operation } = await operate({ models: ['llama'] });
    expect(operation.routers).toEqual([
      { router: 'attic', models: [] },
      { router: 'cellar', models: [gone('llama')] },
    ]);
    expect(operation.outcome).toBe('success');
  });

  it('that matches nowhere is a failure, because it is most likely misspelt', async () => {
    const { operate } = aFleet();
    const { operation, progress } = await operate({ models: ['llama', 'lama'] });
    expect(operation.routers[0]?.models).toEqual([
      { model: 'lama', result: 'failed', detail: 'no model has this name' },
    ]);
    expect(progress).toEqual(['cellar llama unloaded', 'attic lama failed']);
    expect(operation.outcome).toBe('partial');
  });

  it('that matches a kept model is no failure', async () => {
    const { operate } = aFleet();
    const { operation } = await operate({ models: ['llama'], keep: ['lla*'] });
    expect(operation.routers.flatMap(({ models }) => models.map(({ result }) => result))).toEqual(['kept']);
  });

  it('that matches nowhere is reported on the first router that is up', async () => {
    const { operate, attic } = aFleet();
    attic.entry.failed(UNREACHABLE);
    const { operation } = await operate({ models: ['lama'] });
    expect(operation.routers.map(({ models }) => models.length)).toEqual([0, 1]);
  });

  it('is not reported when all routers are down', async () => {
    const { operate, attic, cellar } = aFleet();
    for (const { entry } of [attic, cellar]) entry.failed(UNREACHABLE);
    const { operation, progress } = await operate({ models: ['lama'] });
    expect(operation.routers.map(({ models }) => models.length)).toEqual([0, 0]);
    expect(progress).toEqual([]);
  });

  it('of a model that vanishes while it is unloaded has matched', async () => {
    const { operate, cellar } = aFleet();
    cellar.order = async (model) => {
      cellar.entry.event(ended(model));
      cellar.entry.listed(aListing());
      return ok('accepted');
    };
    const { operation } = await operate({ models: ['llama'] });
    expect(operation.routers).toEqual([
      { router: 'attic', models: [] },
      { router: 'cellar', models: [{ model: 'llama', result: 'unloaded', seconds: 0 }] },
    ]);
  });
});

describe('a second request', () => {
  it('for the same models joins the running operation', async () => {
    const { start, finish, attic, clock } = aFleet();
    const first = start();
    await clock.advance(20);
    const second = start();
    expect([first.joined, second.joined, second.id]).toEqual([false, true, first.id]);
    expect(await finish(second)).toEqual(await first.done);
    expect(attic.ordered).toEqual(['qwen', 'bge']);
  });

  it('for a part of its models joins it too', async () => {
    const { start, clock, finish } = aFleet();
    const first = start();
    await clock.advance(20);
    expect(start({ routers: ['attic'], models: ['q*'] }).id).toBe(first.id);
    await finish(first);
  });

  it.each<[string, Wish, Wish]>([
    ['for other models', { models: ['qwen'] }, { models: ['bge'] }],
    ['for more models', { models: ['qwen'] }, {}],
    ['for more routers', { routers: ['attic'] }, {}],
    ['that is stronger', { whenBusy: 'skip' }, { whenBusy: 'wait' }],
    ['with a hold', {}, { holdMs: 60_000 }],
  ])('%s runs after it, and nothing is lost', async (_, wish, other) => {
    const { start, finish, attic, clock } = aFleet();
    let active = 0;
    attic.order = async (model) => {
      active += 1;
      clock.after(500, () => {
        active -= 1;
        attic.entry.event(ended(model));
      });
      return ok('accepted');
    };
    const first = start(wish);
    await clock.advance(20);
    const second = start(other);
    expect(second.joined).toBe(false);
    await finish(second);
    expect((await first.done).id).not.toBe(second.id);
    expect(active).toBe(0);
    expect([...new Set(attic.ordered)]).toHaveLength(attic.ordered.length);
  });

  it('with verification does not join one without', async () => {
    const { start, finish, attic, clock } = aFleet();
    attic.order = async () => ok('accepted');
    const unverified = start({ routers: ['attic'], models: ['qwen'], verify: false });
    const verified = start({ routers: ['attic'], models: ['qwen'], timeoutMs: 5000 });
    await clock.advance(0);
    expect((await unverified.done).summary).toMatchObject({ unloaded: 1 });
    expect((await finish(verified)).routers[0]?.models[0]).toMatchObject({ result: 'timeout', seconds: 5 });
  });

  it('of a person does not join an automatic one that a guard refused', async () => {
    const { operate, start, finish, cellar, clock } = aFleet();
    await operate({ routers: ['attic'], models: ['qwen'] });
    cellar.doing.set('llama', { kind: 'busy' });
    const alert = start({ trigger: 'alertmanager', busyTimeoutMs: 30_000 });
    await clock.advance(1000);
    const person = start({ busyTimeoutMs: 30_000 });
    expect(person.joined).toBe(false);
    cellar.doing.clear();
    expect((await finish(person)).routers[0]).toMatchObject({
      models: [{ model: 'bge', result: 'unloaded' }],
    });
    expect((await alert.done).routers[0]?.refused?.reason).toBe('cooldown');
  });

  it('of the same alert is not refused because of the first', async () => {
    const { start, finish, clock } = aFleet();
    const alert = { trigger: 'alertmanager', routers: ['attic'] } as const;
    const gentle = start({ ...alert, models: ['qwen'] });
    const strong = start(alert);
    await clock.advance(1000);
    expect((await finish(strong)).summary.unloaded + (await gentle.done).summary.unloaded).toBe(2);
    expect((await finish(start(alert))).outcome).toBe('refused');
  });

  it('with force preempts one that waits for a busy model', async () => {
    const { start, finish, attic, clock } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    const patient = start({ routers: ['attic'] });
    await clock.advance(5000);
    expect(patient.report()).toMatchObject({
      outcome: null,
      duration_seconds: 5,
      routers: [
        {
          models: [{ model: 'qwen', result: null, detail: 'it is generating' }, { result: 'unloaded' }],
        },
      ],
    });
    const forced = start({ routers: ['attic'], whenBusy: 'force' });
    const operation = await finish(forced);
    expect((await patient.done).routers[0]?.models[0]).toEqual({
      model: 'qwen',
      result: 'busy',
      detail: 'it is generating; preempted by a forced request',
    });
    expect(operation).toMatchObject({ outcome: 'success', duration_seconds: 0.05 });
  });

  it('does not join an operation that was preempted: it would not wait for busy models', async () => {
    const { start, finish, attic, cellar, clock } = aFleet();
    for (const control of [attic, cellar]) {
      for (const model of ['qwen', 'llama']) control.doing.set(model, { kind: 'busy' });
    }
    const first = start({ busyTimeoutMs: 60_000 });
    await clock.advance(1000);
    await finish(start({ routers: ['attic'], models: ['qwen'], whenBusy: 'force' }));
    expect(start({ busyTimeoutMs: 60_000 }).joined).toBe(false);
    cellar.doing.clear();
    await finish(first);
  });

  it('with force preempts on its routers only, and also requests that are queued there', async () => {
    const { start, finish, attic, cellar, clock } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    cellar.doing.set('llama', { kind: 'busy' });
    const everywhere = start({ busyTimeoutMs: 60_000 });
    const behind = start({ routers: ['attic'], models: ['qwen'], holdMs: 1000, busyTimeoutMs: 60_000 });
    await clock.advance(1000);
    const forced = start({ routers: ['attic'], whenBusy: 'force' });
    await clock.advance(1000);
    expect((await forced.done).outcome).toBe('success');
    expect((await behind.done).routers[0]?.models).toMatchObject([{ model: 'qwen', result: 'busy' }]);
    expect(everywhere.report().routers[1]?.models).toMatchObject([{ model: 'llama', result: null }]);
    cellar.doing.clear();
    expect((await finish(everywhere)).routers[1]?.models).toMatchObject([{ result: 'unloaded' }]);
  });

  it('for a dry run neither joins nor preempts the running operation', async () => {
    const { start, finish, attic, clock } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    const first = start({ routers: ['attic'] });
    await clock.advance(1000);
    const dryRun = start({ routers: ['attic'], whenBusy: 'force', dryRun: true });
    expect([dryRun.joined, (await finish(dryRun)).outcome]).toEqual([false, 'dry_run']);
    expect(first.report().routers[0]?.models[0]).toMatchObject({ model: 'qwen', result: null });
    attic.doing.clear();
    expect((await finish(first)).outcome).toBe('success');
  });

  it('is refused when eight others are queued', async () => {
    const { start, finish, attic, clock } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    const waiting = Array.from({ length: 9 }, (_, index) =>
      start({ routers: ['attic'], models: ['qwen'], keep: [`${index}`], busyTimeoutMs: 10_000 + index }),
    );
    await clock.advance(0);
    const refused = await finish(start({ routers: ['attic'], models: ['bge'] }));
    expect(refused).toMatchObject({
      outcome: 'refused',
      routers: [{ refused: { reason: 'in_progress', retry_after_seconds: 30 } }],
    });
    for (const each of waiting) await finish(each);
  });
});

describe('the configured keep list', () => {
  it('applies to its router, even with force', async () => {
    const { operate, attic } = aFleet({ attic: ['bge'] });
    const { operation } = await operate({ models: ['bge', 'llama'], whenBusy: 'force' });
    expect(operation.routers).toEqual([
      { router: 'attic', models: [{ model: 'bge', result: 'kept', detail: 'it is on the keep list' }] },
      { router: 'cellar', models: [gone('llama')] },
    ]);
    expect(attic.ordered).toEqual([]);
  });
});

describe('an automatic request', () => {
  const alert = { trigger: 'alertmanager', routers: ['cellar'] } as const;
  const reload = (entry: ReturnType<typeof aFleet>['cellar']['entry'], model: string) => {
    entry.event(begun(model));
    entry.event(turned(model, 'loaded'));
  };

  it('is refused in the cooldown of a router, on that router only', async () => {
    const { operate, attic } = aFleet();
    await operate({ routers: ['cellar'] });
    const { operation } = await operate({ trigger: 'alertmanager' });
    expect(operation).toMatchObject({
      outcome: 'partial',
      routers: [
        { router: 'attic', models: [{ result: 'unloaded' }, { result: 'unloaded' }] },
        { router: 'cellar', models: [], refused: { reason: 'cooldown', retry_after_seconds: 60 } },
      ],
    });
    expect(attic.ordered).toEqual(['qwen', 'bge']);
    expect((await operate({ routers: ['cellar'] })).operation.outcome).toBe('noop');
  });

  it('is refused in a reload loop; a request of a person is not', async () => {
    const { operate, cellar, clock, loops, guards } = aFleet();
    for (let round = 0; round < 3; round += 1) {
      expect((await operate(alert)).operation.outcome).toBe('success');
      await clock.advance(20_000);
      reload(cellar.entry, 'llama');
      await clock.advance(100_000);
    }
    expect(loops).toEqual([
      {
        router: 'cellar',
        trigger: 'alertmanager',
        models: ['llama'],
        until: clock.now() - 100_000 + 600_000,
      },
    ]);
    expect(guards.loops()).toEqual(loops);
    expect((await operate(alert)).operation).toMatchObject({
      outcome: 'refused',
      routers: [{ refused: { reason: 'reload_loop', detail: expect.stringContaining('llama came back') } }],
    });
    expect((await operate({ routers: ['cellar'] })).operation.outcome).toBe('success');
  });

  it('that is a dry run reports the refusal and what would be unloaded', async () => {
    const { operate } = aFleet();
    await operate({ routers: ['attic'], models: ['qwen'] });
    const { operation } = await operate({ trigger: 'alertmanager', routers: ['attic'], dryRun: true });
    expect(operation).toMatchObject({
      outcome: 'dry_run',
      routers: [{ refused: { reason: 'cooldown' }, models: [{ model: 'bge', result: 'would_unload' }] }],
    });
  });
});

describe('operations', () => {
  it('are listed, the newest first, and the last hundred finished ones are kept', async () => {
    const { operate, operations, clock } = aFleet();
    const ids: string[] = [];
    for (let index = 0; index < 103; index += 1) {
      ids.unshift((await operate({ dryRun: true })).operation.id);
    }
    await clock.advance(1000);
    expect(operations.list().map(({ id }) => id)).toEqual(ids.slice(0, 100));
    expect(operations.get(ids[0] ?? '')?.id).toBe(ids[0]);
    expect(operations.get(ids[102] ?? '')).toBeUndefined();
  });

  it('that are refused have ended, and are listed once', async () => {
    const { operate, operations } = aFleet();
    await operate({ routers: ['cellar'] });
    await operate({ trigger: 'alertmanager', routers: ['cellar'] });
    expect(operations.list().map(({ outcome }) => outcome)).toEqual(['refused', 'success']);
  });

  it('call the listeners when they begin on a router and when they end', async () => {
    const { operate, operations } = aFleet();
    const calls: string[] = [];
    operations.onBegin(({ router, request: { reason } }) => calls.push(`${router} begins: ${reason}`));
    operations.onEnd(({ operation: { outcome } }) => calls.push(`ended: ${outcome}`));
    await operate({ dryRun: true });
    await operate();
    expect(calls).toEqual([
      'ended: dry_run',
      'attic begins: memory is needed',
      'cellar begins: memory is needed',
      'ended: success',
    ]);
  });

  it('of an earlier process are listed after a restart', async () => {
    const { operate, operations } = aFleet();
    await operate({ routers: ['attic'] });
    const next = aFleet().operations;
    next.restore(operations.list());
    expect(next.list()).toEqual(operations.list());
  });

  it('stop waiting for busy models when the service stops', async () => {
    const { start, operations, attic, clock } = aFleet();
    attic.doing.set('qwen', { kind: 'busy' });
    const patient = start({ routers: ['attic'] });
    await clock.advance(1000);
    const stopped = operations.stop();
    await clock.advance(0);
    await stopped;
    expect(patient.report().routers[0]?.models[0]).toMatchObject({ result: 'busy' });
  });

  it('report ordered models as timeouts when the service stops', async () => {
    const { start, operations, attic, clock } = aFleet();
    attic.order = async () => ok('accepted');
    const { report } = start({ routers: ['attic'] });
    await clock.advance(1000);
    const stopped = operations.stop();
    await clock.advance(2000);
    await stopped;
    expect(report().routers[0]?.models[0]).toEqual({
      model: 'qwen',
      result: 'timeout',
      seconds: 3,
      detail: 'the server accepted the order, but the exporter is shutting down',
    });
    expect(clock.pending()).toBe(0);
  });
});
