import { expect, it } from '@jest/globals';
import { createEngine, type Generation } from '../../simulator/engine.ts';
import { renderEngineMetrics } from '../../simulator/engine-metrics.ts';
import { recorded } from '../contract/normal.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const aGeneration = (given: Partial<Generation> = {}): Generation => ({
  promptTokens: 7,
  promptSeconds: 1,
  tokens: 100,
  seconds: 10,
  ...given,
});

function anEngine(slots = 4) {
  const clock = createSteppedClock();
  return { clock, engine: createEngine(clock, slots) };
}

it('counts a request at its end', async () => {
  const { clock, engine } = anEngine();
  const end = engine.generate(aGeneration());
  await clock.advance(6 * 1000);
  expect(engine.read()).toMatchObject({ promptTokens: 0, decodes: 0, processing: 1 });
  await clock.advance(5 * 1000);
  expect(await end).toBe('done');
  expect(engine.read()).toMatchObject({
    ...{ promptTokens: 7, predictedTokens: 100, predictedSeconds: 10, decodes: 100 },
    ...{ longestSequence: 106, processing: 0 },
  });
});

it('ends a running request early, and serves the next', async () => {
  const { clock, engine } = anEngine(1);
  const [first, second] = [engine.generate(aGeneration()), engine.generate(aGeneration())];
  engine.finishRunning();
  expect(await first).toBe('done');
  expect(engine.read()).toMatchObject({ predictedTokens: 100, processing: 1, deferred: 0 });
  await clock.advance(11 * 1000);
  expect(await second).toBe('done');
  expect(engine.read()).toMatchObject({ predictedTokens: 200, processing: 0 });
});

it('serves one request per slot and queues the others', async () => {
  const { clock, engine } = anEngine(2);
  const ends: number[] = [];
  for (const seconds of [1, 2, 3]) {
    void engine.generate(aGeneration({ promptSeconds: 0, seconds })).then(() => ends.push(seconds));
  }
  expect(engine.read()).toMatchObject({ processing: 2, deferred: 1 });
  await clock.advance(2.5 * 1000);
  expect(ends).toEqual([1, 2]);
  expect(engine.read()).toMatchObject({ processing: 1, deferred: 0 });
  await clock.advance(1.5 * 1000);
  expect(ends).toEqual([1, 2, 3]);
  expect(engine.isBusy()).toBe(false);
});

it('answers no request between freeze and kill', async () => {
  const { clock, engine } = anEngine(1);
  const ends: string[] = [];
  for (const _ of [1, 2]) void engine.generate(aGeneration()).then((end) => ends.push(end));
  engine.freeze();
  await clock.advance(1000 * 1000);
  expect(ends).toEqual([]);
  expect(engine.isBusy()).toBe(true);
  engine.kill();
  await clock.advance(0 * 1000);
  expect(ends).toEqual(['killed', 'killed']);
});

it('computes rates since the last read', async () => {
  const { clock, engine } = anEngine();
  void engine.generate(aGeneration());
  await clock.advance(20 * 1000);
  expect(engine.read()).toMatchObject({ recentPromptRate: 7, recentPredictedRate: 10 });
  expect(engine.read()).toMatchObject({ recentPromptRate: 0, recentPredictedRate: 0 });
});

it('prints the text of llama-server', () => {
  const { engine } = anEngine();
  const idle = engine.read();
  expect(renderEngineMetrics(idle)).toBe(recorded('metrics-loaded-idle.prom'));
  const busy = {
    ...{ promptTokens: 7, promptSeconds: 0.042732, recentPromptRate: 163.81166, processing: 1 },
    ...{ decodes: 113, decodedTokens: 113, longestSequence: 119 },
  };
  expect(renderEngineMetrics({ ...idle, ...busy })).toBe(recorded('metrics-loaded-busy.prom'));
});
