import { describe, expect, it } from '@jest/globals';
import type { GpuMemory, ModelMemory } from '../../src/memory/reading.ts';
import { createRouterMemory } from '../../src/memory/router-memory.ts';
import { createStore } from '../../src/models/store.ts';
import { createOperations } from '../../src/unload/operations.ts';
import { needsMeasurement } from '../../src/unload/report.ts';
import { aReading } from '../support/a-reading.ts';
import { aRequest } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const card = (gpu: string, uuid: string, more: Partial<GpuMemory> = {}): GpuMemory => ({
  ...{ gpu, uuid, name: 'RTX', pool: 'vram', totalBytes: 100, usedBytes: 90, unownedBytes: 0 },
  ...more,
});
const model = (name: string, ...uuids: string[]): ModelMemory => ({
  ...{ router: 'box', model: name, cpuSeconds: 0 },
  gpus: uuids.map((uuid) => ({ uuid, pool: 'vram', bytes: 30 })),
});
const CARDS = [card('0', 'GPU-1d4b', { pciAddress: '0000:01:00.0' }), card('1', 'GPU-70e2')];
/** `both` spans the cards, `cpu` uses none, and the process of `hidden` was not found. */
const MODELS = [
  model('first', 'GPU-1d4b'),
  model('second', 'GPU-70e2'),
  model('both', 'GPU-1d4b', 'GPU-70e2'),
  model('cpu'),
];

async function unloadOn(
  gpus: readonly string[] | undefined,
  {
    cards = CARDS,
    here = ['box'],
    ...more
  }: Parameters<typeof aRequest>[0] & { cards?: GpuMemory[]; here?: string[] } = {},
) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const control = createScriptedControl(clock, store, 'box', 'first', 'second', 'both', 'cpu', 'hidden');
  const memory = createRouterMemory();
  const reading = aReading({ here, gpus: cards, models: MODELS });
  memory.observe(reading);
  const operations = createOperations({
    controls: () => [control],
    keep: () => [],
    clock,
    measure: async (router) => memory.of(router, reading),
  });
  const { done, report } = operations.start(aRequest({ gpus, ...more }));
  await clock.advance(1000);
  await done;
  const operation = report();
  return {
    ordered: control.ordered,
    operation,
    fault: operation.routers[0]?.fault,
    kept: operation.routers[0]?.models.filter(({ result }) => result === 'kept'),
  };
}

describe('an unload on a GPU', () => {
  it.each(['GPU-1d4b', '1d4b', 'gpu-1D4B', '0', '0000:01:00.0'])(
    'named %s unloads the models on it, also those that span several',
    async (name) => {
      const { ordered, kept, operation } = await unloadOn([name]);
      expect([ordered.toSorted(), operation.outcome]).toEqual([['both', 'first'], 'success']);
      expect(kept).toEqual([
        { model: 'second', result: 'kept', detail: `it has no memory on GPU ${name}` },
        { model: 'cpu', result: 'kept', detail: `it has no memory on GPU ${name}` },
        { model: 'hidden', result: 'kept', detail: 'its GPU memory is unknown' },
      ]);
    },
  );

  it('and another unloads the models on either', async () => {
    expect((await unloadOn(['0', '1'])).ordered.toSorted()).toEqual(['both', 'first', 'second']);
  });

  it('reports the memory freed there', async () => {
    const { operation } = await unloadOn(['0']);
    expect(operation.routers[0]?.memory).toMatchObject({ before_bytes: 90 });
    expect((await unloadOn(undefined)).operation.routers[0]?.memory).toMatchObject({ before_bytes: 180 });
  });

  it('unloads as few of its models as free an amount there', async () => {
    const { ordered } = await unloadOn(['1'], { target: { freeBytes: 30 } });
    expect(ordered).toHaveLength(1);
    expect(['second', 'both']).toContain(ordered[0]);
  });

  it('as a dry run unloads nothing', async () => {
    const { ordered, operation } = await unloadOn(['0'], { dryRun: true });
    const would = operation.routers[0]?.models.filter(({ result }) => result === 'would_unload');
    expect([ordered, would?.map(({ model }) => model)]).toEqual([[], ['first', 'both']]);
  });

  it.each<[string, string[], Parameters<typeof unloadOn>[1], string, RegExp]>([
    ['an unknown name', ['7'], {}, 'unknown_gpu', /^no GPU is named '7'; known: 0 \(GPU-1d4b, RTX\); 1 \(/],
    ['one unknown name', ['0', 'GPU-ffff'], {}, 'unknown_gpu', /named 'GPU-ffff'/],
    [
      'an index of two cards',
      ['0'],
      { cards: [...CARDS, card('0', '0000:0a:00.0')] },
      'unknown_gpu',
      /^several GPUs have the index 0/,
    ],
    [
      'a card whose users are not known',
      ['0'],
      { cards: [card('0', 'GPU-1d4b', { unownedBytes: undefined })] },
      'unmeasured',
      /^which models use GPU 0 is not measured/,
    ],
    [
      'a router elsewhere',
      ['0'],
      { here: [] },
      'unmeasured',
      /^the GPU memory of this router is not measured/,
    ],
  ])('unloads nothing with %s', async (_, gpus, more, kind, message) => {
    const { ordered, operation, fault } = await unloadOn(gpus, more);
    expect([ordered, fault?.kind, operation.outcome, needsMeasurement(operation)]).toEqual([
      [],
      kind,
      'failed',
      true,
    ]);
    expect(fault?.message).toMatch(message);
  });
});
