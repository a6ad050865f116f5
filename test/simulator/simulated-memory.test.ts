import { expect, it } from '@jest/globals';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const GB = 1_000_000_000;

it('rises with a load, falls with sleep and unload, next to the memory of other processes', async () => {
  const clock = createSteppedClock(120_000);
  const models = [{ id: 'qwen', sizeBytes: 16 * GB, contextTokens: 8192, loadSeconds: 10 }];
  const router = createTestRouter({ models, sleepIdleSeconds: 60, clock });
  const measure = createSimulatedMemory(router, 'box', clock);
  const read = async () => {
    const { gpus, models } = await measure();
    const [held] = models.map(({ gpus }) => gpus[0]?.bytes ?? 0);
    const { usedBytes = 0, unownedBytes = 0 } = gpus[0] ?? {};
    expect(usedBytes).toBe(unownedBytes + (held ?? 0));
    return [
      held === undefined ? undefined : Number((held / GB).toFixed(1)),
      Number((unownedBytes / GB).toFixed(1)),
    ];
  };
  expect(await read()).toEqual([undefined, 0.8]);
  await router.load('qwen');
  expect(await read()).toEqual([0.4, 0.8]);
  await clock.advance(5000);
  expect(await read()).toEqual([9, 0.8]);
  await clock.advance(6000);
  expect(await read()).toEqual([17.5, 0.8]);
  await clock.advance(61_000);
  expect(await read()).toEqual([0.6, 0.8]);
  router.unload('qwen');
  await clock.advance(1000);
  expect(await read()).toEqual([undefined, 0.8]);
  clock.set(360_000);
  expect(await read()).toEqual([undefined, 8.1]);
});

it('is attributed to the router by its name, with CPU time while it works', async () => {
  const clock = createSteppedClock();
  const router = createTestRouter({ models: [{ id: 'qwen', loadSeconds: 2 }], clock });
  const measure = createSimulatedMemory(router, 'box', clock);
  await router.load('qwen');
  await measure();
  await clock.advance(3000);
  const first = (await measure()).models[0];
  expect([first?.router, first?.model]).toEqual(['box', 'qwen']);
  void router.request('qwen', { seconds: 10 });
  await clock.advance(4000);
  const second = (await measure()).models[0];
  expect((second?.cpuSeconds ?? 0) - (first?.cpuSeconds ?? 0)).toBe(4);
});
