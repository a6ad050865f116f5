import { describe, expect, it } from '@jest/globals';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { type UnloadRequest, unload } from '../../src/unload/operation.ts';
import type { Operation } from '../../src/unload/report.ts';
import { aListing, ended, listed } from '../support/a-model.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createScriptedHands } from '../support/scripted-hands.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

type Wish = Partial<Omit<UnloadRequest, 'selection'> & UnloadRequest['selection']>;

/** Two routers, and what becomes of an operation on them. */
function aFleet() {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const attic = createScriptedHands(clock, store, 'attic', 'qwen', 'bge');
  const cellar = createScriptedHands(clock, store, 'cellar', 'llama');
  return {
    clock,
    store,
    attic,
    cellar,
    async operate({ models = [], keep = [], includeLoading = false, ...wish }: Wish = {}) {
      const request: UnloadRequest = {
        trigger: 'cli',
        reason: 'memory is needed',
        routers: [],
        selection: { models, keep, includeLoading },
        timeoutMs: 60_000,
        wait: true,
        dryRun: false,
        ...wish,
      };
      const progress: string[] = [];
      let operation: Operation | undefined;
      const running = unload(request, [attic, cellar], clock, (router, { model, result }) =>
        progress.push(`${router} ${model} ${result}`),
      );
      void running.then((done) => {
        operation = done;
      });
      for (let seconds = 0; operation === undefined && seconds < 600; seconds += 1) await clock.advance(1000);
      return { operation: operation ?? (await running), progress };
    },
  };
}

const gone = (model: string) => ({ model, result: 'unloaded', seconds: 0.05 });

describe('an operation', () => {
  it('unloads every model on every router, and reports', async () => {
    const { operate } = aFleet();
    const { operation, progress } = await operate();
    expect(operation).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      trigger: 'cli',
      reason: 'memory is needed',
      outcome: 'success',
      dry_run: false,
      started_at: '2023-11-14T22:13:20.000Z',
      duration_seconds: 0.05,
      routers: [
        { router: 'attic', models: [gone('qwen'), gone('bge')] },
        { router: 'cellar', models: [gone('llama')] },
      ],
      summary: { unloaded: 3, already_unloaded: 0, kept: 0, busy: 0, failed: 0 },
    });
    expect(progress).toEqual(['attic qwen unloaded', 'attic bge unloaded', 'cellar llama unloaded']);
  });

  it('can be for some routers and some models', async () => {
    const { operate, attic, cellar } = aFleet();
    const { operation } = await operate({ routers: ['attic'], keep: ['b*'] });
    expect(operation.routers).toEqual([
      {
        router: 'attic',
        models: [gone('qwen'), { model: 'bge', result: 'kept', detail: 'it is on the keep list' }],
      },
    ]);
    expect([attic.asked, cellar.asked]).toEqual([['qwen'], []]);
  });

  it('that is a dry run asks nothing', async () => {
    const { operate, attic, cellar } = aFleet();
    const { operation, progress } = await operate({ dryRun: true, keep: ['bge'] });
    expect(operation).toMatchObject({ outcome: 'dry_run', dry_run: true, duration_seconds: 0 });
    expect(progress).toEqual(['attic bge kept', 'attic qwen would_unload', 'cellar llama would_unload']);
    expect([attic.asked, cellar.asked]).toEqual([[], []]);
  });

  it('on nothing does nothing', async () => {
    const { operate, attic, cellar } = aFleet();
    for (const { desk } of [attic, cellar]) desk.listed(aListing(listed('qwen', 'unloaded')));
    expect((await operate()).operation).toMatchObject({
      outcome: 'noop',
      routers: [{ models: [] }, { models: [] }],
    });
  });
});

describe('a router that', () => {
  it('hangs costs the others nothing', async () => {
    const { operate, attic, clock } = aFleet();
    const startedAt = clock.now();
    const at: Record<string, number> = {};
    attic.onTransition((transition) => {
      if (transition.kind === 'model') at[transition.model] ??= transition.at - startedAt;
    });
    attic.unload = () => new Promise((resolve) => clock.after(5000, () => resolve(failed(TIMEOUT))));
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

  it('is down is a fault in the report, and is not asked', async () => {
    const { operate, attic } = aFleet();
    attic.desk.failed(UNREACHABLE);
    const { operation } = await operate();
    expect(operation.routers[0]).toEqual({ router: 'attic', models: [], fault: UNREACHABLE });
    expect(operation.outcome).toBe('partial');
    expect(attic.asked).toEqual([]);
  });

  it('has not been listed yet is a fault too: what it has is not known', async () => {
    const { store, attic, clock } = aFleet();
    const desk = store.add('new', 'http://new');
    const request: UnloadRequest = {
      trigger: 'api',
      reason: '',
      routers: [],
      selection: { models: [], keep: [], includeLoading: false },
      timeoutMs: 1000,
      wait: true,
      dryRun: false,
    };
    expect((await unload(request, [{ ...attic, desk }], clock)).routers).toEqual([
      { router: 'new', models: [], fault: { kind: 'timeout', message: 'http://new has not answered yet' } },
    ]);
  });

  it('is not followed is a fault: a misspelt name must not pass for success', async () => {
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

describe('a pattern', () => {
  it('that matches on one router need not match on the others', async () => {
    const { operate } = aFleet();
    const { operation } = await operate({ models: ['llama'] });
    expect(operation.routers).toEqual([
      { router: 'attic', models: [] },
      { router: 'cellar', models: [gone('llama')] },
    ]);
    expect(operation.outcome).toBe('success');
  });

  it('that matches nowhere failed: it is most likely misspelt', async () => {
    const { operate } = aFleet();
    const { operation, progress } = await operate({ models: ['llama', 'lama'] });
    expect(operation.routers[0]?.models).toEqual([
      { model: 'lama', result: 'failed', detail: 'no model has this name' },
    ]);
    expect(progress).toEqual(['cellar llama unloaded', 'attic lama failed']);
    expect(operation.outcome).toBe('partial');
  });

  it('is told on the first router that could be asked', async () => {
    const { operate, attic } = aFleet();
    attic.desk.failed(UNREACHABLE);
    const { operation } = await operate({ models: ['lama'] });
    expect(operation.routers.map(({ models }) => models.length)).toEqual([0, 1]);
  });

  it('says nothing when no router could be asked', async () => {
    const { operate, attic, cellar } = aFleet();
    for (const { desk } of [attic, cellar]) desk.failed(UNREACHABLE);
    const { operation, progress } = await operate({ models: ['lama'] });
    expect(operation.routers.map(({ models }) => models.length)).toEqual([0, 0]);
    expect(progress).toEqual([]);
  });

  it('of a model that vanished as it was unloaded did match', async () => {
    const { operate, cellar } = aFleet();
    cellar.unload = async (model) => {
      cellar.desk.event(ended(model));
      cellar.desk.listed(aListing());
      return ok('accepted');
    };
    const { operation } = await operate({ models: ['llama'] });
    expect(operation.routers).toEqual([
      { router: 'attic', models: [] },
      { router: 'cellar', models: [{ model: 'llama', result: 'unloaded', seconds: 0 }] },
    ]);
  });
});
