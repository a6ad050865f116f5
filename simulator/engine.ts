import type { Clock } from '../src/lib/clock.ts';

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
    /** Resolves when the answer is complete, the process is killed or the client has gone. */
    generate: (generation: Generation, gone?: AbortSignal) =>
      new Promise<'done' | 'killed'>((settle) => {
        const request = { generation, cancel() {}, settle };
        gone?.addEventListener('abort', () => drop(request));
        waiting.push(request);
        startNext();
      }),
    freeze,
    /** Ends the requests that run, as if all of their time had passed. */
    finishRunning(): void {
      for (const request of [...running]) {
        request.cancel();
        finish(request);
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
    request.cancel = clock.after((promptSeconds + seconds) * 1000, () => finish(request));
    running.add(request);
  }

  /** Counts all of a request at its end; llama-server counts its prompt and its decodes as they happen. */
  function finish(request: EngineRequest): void {
    const { promptTokens, promptSeconds, tokens, seconds } = request.generation;
    total.promptTokens += promptTokens;
    total.promptSeconds += promptSeconds;
    total.predictedTokens += tokens;
    total.predictedSeconds += seconds;
    total.decodedTokens += tokens;
    total.decodes += tokens / running.size;
    total.longestSequence = Math.max(total.longestSequence, promptTokens + tokens - 1);
    running.delete(request);
    startNext();
    request.settle('done');
  }

  function drop(request: EngineRequest): void {
    const place = waiting.indexOf(request);
    if (place >= 0) waiting.splice(place, 1);
    request.cancel();
    running.delete(request);
    request.settle('killed');
    startNext();
  }

  /** A process told to exit stops decoding; its requests end when it is gone. */
  function freeze(): void {
    frozen = true;
    for (const { cancel } of running) cancel();
  }
}
