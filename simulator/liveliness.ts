import { systemClock } from '../src/lib/clock.ts';
import type { Engine } from './engine.ts';

/** A simulated server, as its clients and its enemies see it. */
interface LivelyServer {
  readonly models: readonly LivelyModel[];
  request(id: string, work: { promptTokens: number; tokens: number }): Promise<unknown>;
}

interface LivelyModel {
  readonly description: { readonly id: string };
  readonly engine: Pick<Engine, 'isBusy'>;
  failsNext: boolean;
  isRunning(): boolean;
  crash(): void;
}

const DEFAULTS = {
  /** From 0 to below 1. A seeded generator makes the run repeatable. */
  random: Math.random,
  clock: systemClock,
  /** On average. */
  requestsPerSecond: 0.5,
  mostAtOnce: 6,
  /** Share of requests whose model crashes. */
  crashPercent: 1,
  /** Share of loads that fail. */
  failPercent: 2,
};

/**
 * Sends requests as clients do: mostly for a few models, in busy and quiet phases, so that models are loaded,
 * evicted, put to sleep or unloaded when idle, and sometimes crash. Ends when the returned function is called.
 */
export function liven(server: LivelyServer, given: Partial<typeof DEFAULTS> = {}): () => void {
  const { random, clock, requestsPerSecond, mostAtOnce, crashPercent, failPercent } = {
    ...DEFAULTS,
    ...given,
  };
  const chance = (percent: number) => random() * 100 < percent;
  let underWay = 0;
  let over = false;
  let cancel = () => {};

  async function use(): Promise<void> {
    const model = server.models[favourite(server.models.length, random)];
    if (!model) return;
    if (!model.isRunning() && chance(failPercent)) model.failsNext = true;
    underWay += 1;
    if (chance(crashPercent)) clock.after(1000 + random() * 4000, () => crashIfBusy(model));
    await server.request(model.description.id, {
      promptTokens: 20 + Math.floor(random() ** 3 * 4000),
      tokens: 20 + Math.floor(random() ** 2 * 800),
    });
    underWay -= 1;
  }

  function crashIfBusy(model: LivelyModel): void {
    if (!over && model.engine.isBusy()) model.crash();
  }

  function wait(): void {
    const pause = -Math.log(1 - random()) / (requestsPerSecond * phase(clock.wall()));
    cancel = clock.after(Math.min(pause, 120) * 1000, () => {
      if (underWay < mostAtOnce) void use();
      wait();
    });
  }

  // A demo shows something at once.
  void use();
  wait();
  return () => {
    over = true;
    cancel();
  };
}

/** The first model gets about half of the requests, the next half of the rest, and so on. */
function favourite(models: number, random: () => number): number {
  return Math.min(Math.floor(-Math.log2(1 - random())), models - 1);
}

/** From 0.1, quiet, to 1.9, busy, in a cycle of six minutes. */
function phase(nowMs: number): number {
  return 1 + 0.9 * Math.sin((nowMs / 360_000) * 2 * Math.PI);
}
