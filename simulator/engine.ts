import type { Clock } from '../src/lib/clock.ts';

/** One request. */
export interface Generation {
  readonly promptTokens: number;
  /** Time spent on the prompt, in seconds. */
  readonly promptSeconds: number;
  readonly tokens: number;
  /** Time spent on generating, in seconds. */
  readonly seconds: number;
}

/** Counters since the start of the process, and the current work. */
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
  /** Undefined when it is idle. */
  readonly decoded: number | undefined;
}

/** A loaded model's process: requests in slots, and a queue. */
export interface Engine {
  readonly busy: boolean;
  /** Resolves when the answer is complete or the process is killed. */
  generate(generation: Generation): Promise<'done' | 'killed'>;
  /** A process told to exit stops decoding; its requests end when it is gone. */
  freeze(): void;
  kill(): void;
  /** Resets the recent rates, as llama-server does. */
  read(): EngineReadings;
  slots(): (Slot | undefined)[];
}

interface RunningRequest {
  generation: Generation;
  task: number;
  startedAt: number;
  promptCounted: boolean;
  decoded: number;
  settle(end: 'done' | 'killed'): void;
}

export function createEngine(clock: Clock, slotCount: number): Engine {
  const slots: (RunningRequest | undefined)[] = new Array(slotCount).fill(undefined);
  const idle: (Slot | undefined)[] = new Array(slotCount).fill(undefined);
  const waiting: { generation: Generation; settle: RunningRequest['settle'] }[] = [];
  const timers = new Set<() => void>();
  const total = { promptTokens: 0, promptSeconds: 0, predictedTokens: 0, predictedSeconds: 0 };
  const work = { decodes: 0, decodedTokens: 0, longestSequence: 0 };
  let taken = { ...total };
  let tasks = 0;
  let frozen = false;

  const running = () => slots.filter((slot) => slot !== undefined);

  function begin(generation: Generation, settle: RunningRequest['settle']): void {
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
    const timer = clock.after((generation.promptSeconds + generation.seconds) * 1000, () => {
      timers.delete(timer);
      finish(free, started);
    });
    timers.add(timer);
  }

  function finish(place: number, done: RunningRequest): void {
    count(done, Number.POSITIVE_INFINITY);
    total.predictedTokens += done.generation.tokens;
    total.predictedSeconds += done.generation.seconds;
    slots[place] = undefined;
    idle[place] = { task: done.task, generation: done.generation, decoded: undefined };
    const next = waiting.shift();
    if (next) begin(next.generation, next.settle);
    done.settle('done');
  }

  /** llama-server counts a prompt when it is processed, decodes as they happen, predicted tokens at the end. */
  function count(request: RunningRequest, elapsedSeconds: number): void {
    const { promptTokens, promptSeconds, tokens, seconds } = request.generation;
    if (elapsedSeconds < promptSeconds) return;
    if (!request.promptCounted) {
      request.promptCounted = true;
      total.promptTokens += promptTokens;
      total.promptSeconds += promptSeconds;
    }
    const through = seconds === 0 ? 1 : Math.min(1, (elapsedSeconds - promptSeconds) / seconds);
    const fresh = Math.floor(tokens * through) - request.decoded;
    request.decoded += fresh;
    work.decodedTokens += fresh;
    work.decodes += fresh / running().length;
    work.longestSequence = Math.max(work.longestSequence, promptTokens + request.decoded - 1);
  }

  function catchUp(): void {
    for (const each of running()) count(each, (clock.now() - each.startedAt) / 1000);
  }

  function freeze(): void {
    catchUp();
    frozen = true;
    for (const cancel of timers) cancel();
    timers.clear();
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
      const before = taken;
      taken = { ...total };
      return {
        ...total,
        ...work,
        recentPromptRate: rate(
          total.promptTokens - before.promptTokens,
          total.promptSeconds - before.promptSeconds,
        ),
        recentPredictedRate: rate(
          total.predictedTokens - before.predictedTokens,
          total.predictedSeconds - before.predictedSeconds,
        ),
        processing: running().length,
        deferred: waiting.length,
      };
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
