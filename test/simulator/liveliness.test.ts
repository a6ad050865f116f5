import { expect, it } from '@jest/globals';
import { liven } from '../../simulator/liveliness.ts';
import { createSimulatedSwap } from '../../simulator/swap/simulated-swap.ts';
import { createSeededRandom } from '../../tools/seeded-random.mjs';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** What happens to five models in that many hours. */
async function live(seed: number, hours: number) {
  const clock = createSteppedClock();
  const random = createSeededRandom(seed);
  const models = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }));
  const router = createTestRouter({ models, modelsMax: 2, sleepIdleSeconds: 60, clock, random });
  const stopLiving = liven(router, { random, clock, mostAtOnce: 3 });
  const seen = new Map<string, number>();
  let most = 0;
  for (let second = 0; second < hours * 3600; second += 10) {
    await clock.advance(10 * 1000);
    for (const { description, status, exitCode } of router.models) {
      const what = `${description.id} ${status}${status === 'unloaded' && exitCode !== 0 ? ' failed' : ''}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
    const busy = router.models.map(({ description }) => router.model(description.id).engine.read());
    most = Math.max(
      most,
      busy.reduce((sum, { processing, deferred }) => sum + processing + deferred, 0),
    );
  }
  stopLiving();
  await clock.advance(600 * 1000);
  const restless = router.models.some(({ description }) => router.model(description.id).engine.isBusy());
  return { seen, most, restless };
}

it('loads, evicts, crashes and puts models to sleep, favourites more often, until it is ended', async () => {
  const { seen, most, restless } = await live(7, 3);
  const times = (what: string) => seen.get(what) ?? 0;
  expect(times('a loaded')).toBeGreaterThan(times('d loaded'));
  for (const what of ['a loaded', 'a sleeping', 'b unloaded', 'b loaded', 'c loaded']) {
    expect([what, times(what) > 0]).toEqual([what, true]);
  }
  expect([...seen.keys()].some((what) => what.endsWith('failed'))).toBe(true);
  expect(most).toBeLessThanOrEqual(3);
  expect(restless).toBe(false);
});

it('uses the models of a llama-swap: they take turns, expire and crash', async () => {
  const clock = createSteppedClock();
  const random = createSeededRandom(7);
  const models = ['a', 'b', 'c'].map((id) => ({ id, ttlSeconds: 60 }));
  const swap = createSimulatedSwap({ models, clock });
  const stopLiving = liven(swap, { random, clock, mostAtOnce: 3, crashPercent: 5 });
  const seen = new Set<string>();
  let most = 0;
  for (let second = 0; second < 3600; second += 5) {
    await clock.advance(5000);
    const loaded = swap.models.filter(({ state }) => state === 'ready');
    most = Math.max(most, loaded.length);
    for (const { description } of loaded) seen.add(description.id);
    if (loaded.length === 0) seen.add('none');
  }
  stopLiving();
  expect(most).toBe(1);
  expect([...seen].sort()).toEqual(['a', 'b', 'c', 'none']);
});

it('repeats with the same seed', async () => {
  expect(await live(3, 0.5)).toEqual(await live(3, 0.5));
});
