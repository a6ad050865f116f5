import { type Clock, systemClock } from '../src/lib/clock.ts';
import type { SimulatedRouter } from './simulated-router.ts';

export interface Liveliness {
  /** Below 1 and at least 0. Seed it and the life is the same each time. */
  readonly random: () => number;
  readonly clock?: Clock;
  /** Requests a second, on average. Default 0.5. */
  readonly requestsPerSecond?: number;
  /** Requests under way at once; more are not sent. Default 6. */
  readonly mostAtOnce?: number;
  /** Of a hundred requests, how many find their model crash under them. Default 1. */
  readonly crashPercent?: number;
  /** Of a hundred requests, how many ask for a load that fails (if the model is not loaded). Default 2. */
  readonly failPercent?: number;
}

/**
 * Lets people use the router: a few favourites and the odd other model, in bursts and with quiet minutes, so
 * that there are loads, evictions, sleeps, and now and then a mishap. Goes on until the returned function is called.
 */
export function liven(router: SimulatedRouter, liveliness: Liveliness): () => void {
  const { random, clock = systemClock, requestsPerSecond = 0.5, mostAtOnce = 6 } = liveliness;
  const { crashPercent = 1, failPercent = 2 } = liveliness;
  const chance = (percent: number) => random() * 100 < percent;
  let underWay = 0;
  let over = false;
  let cancel = () => {};

  async function use(): Promise<void> {
    const ids = router.models
      .filter(({ status }) => status !== 'downloading')
      .map(({ description }) => description.id);
    const id = ids[favourite(ids.length, random)];
    if (id === undefined) return;
    if (router.model(id).status === 'unloaded' && chance(failPercent)) router.failNextLoad(id);
    underWay += 1;
    if (chance(crashPercent)) clock.after(1000 + random() * 4000, () => crashIfBusy(id));
    await router.request(id, {
      promptTokens: 20 + Math.floor(random() ** 3 * 4000),
      tokens: 20 + Math.floor(random() ** 2 * 800),
    });
    underWay -= 1;
  }

  function crashIfBusy(id: string): void {
    const model = router.models.find(({ description }) => description.id === id);
    if (!over && model?.status === 'loaded') router.crash(id);
  }

  function wait(): void {
    const pause = -Math.log(1 - random()) / (requestsPerSecond * mood(clock.wall()));
    cancel = clock.after(Math.min(pause, 120) * 1000, () => {
      if (underWay < mostAtOnce) void use();
      wait();
    });
  }

  // Whoever looks on need not wait for the first one.
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

/** From 0.1, hardly anybody there, to 1.9: a quiet spell and a busy one every six minutes. */
function mood(nowMs: number): number {
  return 1 + 0.9 * Math.sin((nowMs / 360_000) * 2 * Math.PI);
}
