import type { Clock } from '../src/lib/clock.ts';

/** One request as the engine sees it. */
export interface Generation {
  readonly promptTokens: number;
  /** Time spent on the prompt, in seconds. */
  readonly promptSeconds: number;
  readonly tokens: number;
  /** Time spent on generating, in seconds. */
  readonly seconds: number;
}

/** Everything the engine has counted since its process started, and what it is doing now. */
export interface EngineReadings {
  promptTokens: number;
  promptSeconds: number;
  predictedTokens: number;
  predictedSeconds: number;
  decodes: number;
  decodedTokens: number;
  longestSequence: number;
  /** Tokens a second since the readings were last taken. */
  recentPromptRate: number;
  recentPredictedRate: number;
  processing: number;
  deferred: number;
}

export interface Slot {
  readonly task: number;
  readonly generation: Generation;
  /** Undefined once it has nothing to do. */
  readonly decoded: number | undefined;
}

/** What a loaded model's process does: requests in slots, more of them waiting behind. */
export interface Engine {
  readonly busy: boolean;
  /** Resolves when the answer is there, or when the process was killed under it. */
  generate(generation: Generation): Promise<'done' | 'killed'>;
  /** A process that was told to exit decodes no more, and its requests get no answer: they only die with it. */
  freeze(): void;
  kill(): void;
  /** Taking the readings starts the recent rates anew: two who take them see half each. */
  read(): EngineReadings;
  slots(): (Slot | undefined)[];
}

interface Running {
  generation: Generation;
  task: number;
  startedAt: number;
  promptCounted: boolean;
  decoded: number;
  settle(end: 'done' | 'killed'): void;
}

export function createEngine(clock: Clock, slotCount: number): Engine {
  const slots: (Running | undefined)[] = new Array(slotCount).fill(undefined);
  const idle: (Slot | undefined)[] = new Array(slotCount).fill(undefined);
  const waiting: { generation: Generation; settle: Running['settle'] }[] = [];
  const alarms = new Set<() => void>();
  const total = { promptTokens: 0, promptSeconds: 0, predictedTokens: 0, predictedSeconds: 0 };
  const work = { decodes: 0, decodedTokens: 0, longestSequence: 0 };
  let taken = { ...total };
  let tasks = 0;
  let frozen = false;

  const running = () => slots.filter((slot) => slot !== undefined);

  function begin(generation: Generation, settle: Running['settle']): void {
    const free = slots.indexOf(undefined);
    if (free < 0 || frozen) {
      waiting.push({ generation, settle });
      return;
    }
    const started = {
      generation,
      task: tasks++,
      startedAt: clock.now(),
      promptCounted: false,
      decoded: 0,
      settle,
    };
    slots[free] = started;
    const alarm = clock.after((generation.promptSeconds + generation.seconds) * 1000, () => {
      alarms.delete(alarm);
      finish(free, started);
    });
    alarms.add(alarm);
  }

  function finish(place: number, done: Running): void {
    count(done, Number.POSITIVE_INFINITY);
    total.predictedTokens += done.generation.tokens;
    total.predictedSeconds += done.generation.seconds;
    slots[place] = undefined;
    idle[place] = { task: done.task, generation: done.generation, decoded: undefined };
    const next = waiting.shift();
    if (next) begin(next.generation, next.settle);
    done.settle('done');
  }

  /** The engine counts the prompt when it is through, decodes as they come, predicted tokens at the end. */
  function count(one: Running, elapsedSeconds: number): void {
    const { promptTokens, promptSeconds, tokens, seconds } = one.generation;
    if (elapsedSeconds < promptSeconds) return;
    if (!one.promptCounted) {
      one.promptCounted = true;
      total.promptTokens += promptTokens;
      total.promptSeconds += promptSeconds;
    }
    const through = seconds === 0 ? 1 : Math.min(1, (elapsedSeconds - promptSeconds) / seconds);
    const fresh = Math.floor(tokens * through) - one.decoded;
    one.decoded += fresh;
    work.decodedTokens += fresh;
    work.decodes += fresh / running().length;
    work.longestSequence = Math.max(work.longestSequence, promptTokens + one.decoded - 1);
  }

  function catchUp(): void {
    for (const one of running()) count(one, (clock.now() - one.startedAt) / 1000);
  }

  function freeze(): void {
    catchUp();
    frozen = true;
    for (const cancel of alarms) cancel();
    alarms.clear();
  }

  return {
    get busy() {
      return waiting.length > 0 || slots.some((slot) => slot !== undefined);
    },
    generate: (generation) => new Promise((settle) => begin(generation, settle)),
    freeze,
    kill() {
      freeze();
      const dying = [...running(), ...waiting.splice(0)];
      slots.fill(undefined);
      for (const one of dying) one.settle('killed');
    },
    read() {
      catchUp();
      const recentPromptRate = rate(
        total.promptTokens - taken.promptTokens,
        total.promptSeconds - taken.promptSeconds,
      );
      const recentPredictedRate = rate(
        total.predictedTokens - taken.predictedTokens,
        total.predictedSeconds - taken.predictedSeconds,
      );
      taken = { ...total };
      const load = { processing: running().length, deferred: waiting.length };
      return { ...total, ...work, recentPromptRate, recentPredictedRate, ...load };
    },
    slots() {
      catchUp();
      return slots.map((slot, place) => (slot ? { ...slot, decoded: slot.decoded } : idle[place]));
    },
  };
}

function rate(amount: number, seconds: number): number {
  return seconds > 0 ? amount / seconds : 0;
}
