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

/** A loaded model's process: requests in slots, and a queue. */
export type Engine = ReturnType<typeof createEngine>;

export type EngineReadings = ReturnType<Engine['read']>;

interface EngineRequest {
  readonly generation: Generation;
  startedAt: number;
  promptCounted: boolean;
  decoded: number;
  cancel(): void;
  settle(end: 'done' | 'killed'): void;
}

export function createEngine(clock: Clock, slots: number) {
  const running = new Set<EngineRequest>();
  const waiting: EngineRequest[] = [];
  const total = {
    promptTokens: 0,
    promptSeconds: 0,
    predictedTokens: 0,
    predictedSeconds: 0,
    decodes: 0,
    decodedTokens: 0,
    longestSequence: 0,
  };
  let lastRead = { ...total };
  let frozen = false;

  return {
    isBusy: () => running.size + waiting.length > 0,
    /** The number of slots at work. */
    processing: () => running.size,
    /** Resolves when the answer is complete or the process is killed. */
    generate: (generation: Generation) =>
      new Promise<'done' | 'killed'>((settle) => {
        waiting.push({ generation, startedAt: 0, promptCounted: false, decoded: 0, cancel() {}, settle });
        startNext();
      }),
    freeze,
    /** Ends the requests that run, as if their last token had come now. */
    finishRunning(): void {
      for (const request of [...running]) {
        request.cancel();
        finish(request, (clock.now() - request.startedAt) / 1000);
      }
    },
    kill() {
      freeze();
      const dying = [...running, ...waiting.splice(0)];
      running.clear();
      for (const { settle } of dying) settle('killed');
    },
    /** Counters since the start of the process, and tokens a second since the last read, as llama-server has them. */
    read() {
      countAll();
      const before = lastRead;
      lastRead = { ...total };
      const rate = (amount: keyof typeof total, seconds: keyof typeof total) => {
        const spent = total[seconds] - before[seconds];
        return spent > 0 ? (total[amount] - before[amount]) / spent : 0;
      };
      return {
        ...total,
        recentPromptRate: rate('promptTokens', 'promptSeconds'),
        recentPredictedRate: rate('predictedTokens', 'predictedSeconds'),
        processing: running.size,
        deferred: waiting.length,
      };
    },
  };

  function startNext(): void {
    if (frozen || running.size === slots) return;
    const request = waiting.shift();
    if (!request) return;
    const { promptSeconds, seconds } = request.generation;
    request.startedAt = clock.now();
    request.cancel = clock.after((promptSeconds + seconds) * 1000, () => finish(request));
    running.add(request);
  }

  function finish(request: EngineRequest, elapsedSeconds = Number.POSITIVE_INFINITY): void {
    const { promptSeconds, seconds } = request.generation;
    count(request, elapsedSeconds);
    total.predictedTokens += request.decoded;
    total.predictedSeconds += Math.max(0, Math.min(seconds, elapsedSeconds - promptSeconds));
    running.delete(request);
    startNext();
    request.settle('done');
  }

  /** llama-server counts a prompt when it is processed, decodes as they happen, predicted tokens at the end. */
  function count(request: EngineRequest, elapsedSeconds: number): void {
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
    total.decodedTokens += fresh;
    total.decodes += fresh / running.size;
    total.longestSequence = Math.max(total.longestSequence, promptTokens + request.decoded - 1);
  }

  function countAll(): void {
    for (const request of running) count(request, (clock.now() - request.startedAt) / 1000);
  }

  /** A process told to exit stops decoding; its requests end when it is gone. */
  function freeze(): void {
    countAll();
    frozen = true;
    for (const { cancel } of running) cancel();
  }
}
