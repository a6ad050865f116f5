import { describe, expect, it } from '@jest/globals';
import { createConfigSource } from '../../src/config/source.ts';
import type { ProbeResult } from '../../src/engine/activity.ts';
import type { HoldRequest } from '../../src/hold/hold.ts';
import { createHolding } from '../../src/hold/holding.ts';
import { createRouterMemory } from '../../src/memory/router-memory.ts';
import { createStore } from '../../src/models/store.ts';
import { createOperations } from '../../src/unload/operations.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aReading } from '../support/a-reading.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const CONFIG = createConfigSource({ env: {}, flags: {} }).current;

/** GPU and bytes of each model; other processes use 10 of the 100 bytes of each GPU. */
const MODELS = { a: { gpu: '0', bytes: 40 }, b: { gpu: '0', bytes: 30 }, c: { gpu: '1', bytes: 50 } };
type Model = keyof typeof MODELS;

function aBox(keep: string[] = []) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const control = createScriptedControl(clock, store, 'box', 'a', 'b', 'c');
  const measured = createRouterMemory();
  const ofRouter = () => {
    const loaded = (Object.keys(MODELS) as Model[]).filter(
      (id) => control.state.models.get(id)?.lifecycle.status === 'loaded',
    );
    const usedOn = (gpu: string) =>
      loaded.reduce((sum, id) => sum + (MODELS[id].gpu === gpu ? MODELS[id].bytes : 0), 10);
    const reading = aReading({
      here: ['box'],
      gpus: ['0', '1'].map((gpu) => ({
        ...({
          gpu,
          uuid: `GPU-${gpu}`,
          name: 'RTX',
          pool: 'vram',
          totalBytes: 100,
          unownedBytes: 0,
        } as const),
        usedBytes: usedOn(gpu),
      })),
      models: loaded.map((id) => ({
        ...{ router: 'box', model: id, cpuSeconds: 0 },
        gpus: [{ uuid: `GPU-${MODELS[id].gpu}`, pool: 'vram', bytes: MODELS[id].bytes } as const],
      })),
    });
    measured.observe(reading);
    return measured.of('box', reading);
  };
  const measure = async () => ofRouter();
  const operations = createOperations({ controls: () => [control], keep: () => keep, clock, measure });
  const holding = createHolding({
    fleet: { store, controls: () => [control] },
    ...{ operations, memory: { ofRouter }, measure, clock },
    config: () => CONFIG,
    save: async () => {},
  });
  const { holds } = holding;
  holding.start();
  holding.resume();
  return {
    ...{ clock, control, holds, operations },
    place: (given: Partial<HoldRequest>) =>
      holds.place(aHoldRequest(clock.now() + 3_600_000, { routers: ['box'], ...given })).id,
  };
}

const busy: ProbeResult = { kind: 'busy' };

describe('a hold that needs memory on one GPU', () => {
  it.each<[string, number, Partial<Record<Model, ProbeResult>>, string[], object]>([
    ['is active without an unload when it is free', 40, {}, [], { state: 'active' }],
    ['unloads as few models as needed', 90, {}, ['c'], { state: 'active' }],
    [
      'unloads nothing when that would not be enough',
      95,
      {},
      [],
      {
        state: 'failed',
        why:
          '95 B are needed on one GPU, and at most 40 B are free, on GPU 1 ' +
          '(a, b, c: its memory would not be enough)',
      },
    ],
    [
      'takes other models in place of one that stays busy, if they are enough',
      60,
      { a: busy },
      ['c'],
      { state: 'active' },
    ],
  ])('%s (%d)', async (_, needBytes, doing, ordered, outcome) => {
    const { clock, control, holds, place } = aBox();
    for (const [model, activity] of Object.entries(doing)) control.doing.set(model, activity);
    for (const model of ['a', 'b', 'c']) {
      const isBusy = control.doing.has(model);
      control.entry.activity(model, { busy: isBusy, work: 1, watchedAt: clock.now() });
    }
    const id = place({ needBytes, unload: 'enough', whenBusy: 'skip' });
    await clock.advance(1000);
    expect([control.ordered, holds.get(id)]).toMatchObject([ordered, outcome]);
  });

  it('with nothing to unload fails at once where it is not free', async () => {
    const { clock, control, holds, place } = aBox();
    const id = place({ needBytes: 60, unload: 'none' });
    await clock.advance(0);
    const why = '60 B are needed on one GPU, and at most 40 B are free, on GPU 1';
    expect([control.ordered, holds.get(id)]).toMatchObject([[], { state: 'failed', why }]);
    expect(holds.on('box')).toEqual([]);
  });
});

describe('a hold that unloads all', () => {
  it('is active when all are gone but those on the keep list', async () => {
    const { clock, control, holds, operations, place } = aBox(['c']);
    const id = place({ unload: 'all' });
    expect([holds.get(id)?.state, holds.on('box')]).toMatchObject(['preparing', [{ id }]]);
    await clock.advance(1000);
    expect([control.ordered, holds.get(id)?.state]).toEqual([['a', 'b'], 'active']);
    expect(operations.get(holds.get(id)?.operation ?? '')).toMatchObject({ outcome: 'success' });
  });

  it('fails when a model stays busy, and says which', async () => {
    const { clock, control, holds, place } = aBox();
    control.doing.set('b', busy);
    const id = place({ unload: 'all' });
    await clock.advance(CONFIG.unload.busy_timeout * 1000 + 1000);
    expect(holds.get(id)).toMatchObject({
      state: 'failed',
      why: 'not all models could be unloaded: b: it is generating, still after 5m',
    });
  });

  it('that is released while it waits for a busy model leaves that model alone', async () => {
    const { clock, control, holds, operations, place } = aBox();
    control.doing.set('b', busy);
    const id = place({ unload: 'all' });
    await clock.advance(1000);
    holds.release(id, 'alice');
    control.doing.delete('b');
    await clock.advance(10_000);
    expect(control.ordered).toEqual(['a', 'c']);
    expect(operations.list()).toMatchObject([{ outcome: 'success' }]);
    expect(operations.list()[0]?.routers[0]?.models).toContainEqual({
      ...{ model: 'b', result: 'kept', detail: 'the hold has been released' },
    });
  });

  it('does not join another unload, whose models are not to come back', async () => {
    const { clock, control, holds, operations, place } = aBox();
    operations.start({
      ...{ trigger: 'api', caller: { name: 'bob' }, reason: '', routers: [], whenBusy: 'wait' },
      ...{
        selection: { models: ['a'], keep: [] },
        busyTimeoutMs: 0,
        timeoutMs: 1000,
        verify: true,
        dryRun: false,
      },
    });
    const id = place({ unload: 'all', restore: true });
    await clock.advance(1000);
    holds.release(id, 'alice');
    await clock.advance(15_000);
    expect(control.loads.toSorted()).toEqual(['b', 'c']);
  });
});
