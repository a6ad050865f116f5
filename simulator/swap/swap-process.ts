import { EventEmitter, once } from 'node:events';
import { createEngine, type Generation } from '../engine.ts';
import { type DescribedSwapModel, SLOTS, type SwapSettings } from './settings.ts';

export type SwapState = 'stopped' | 'starting' | 'ready' | 'stopping';

const STATUS = { stopped: 'unloaded', starting: 'loading', ready: 'loaded', stopping: 'loaded' } as const;

/** A model of llama-swap, with the process it may have. */
export type SwapProcess = ReturnType<typeof createSwapProcess>;

/** `changed` is called after each change of state. */
export function createSwapProcess(
  description: DescribedSwapModel,
  settings: SwapSettings,
  changed: () => void,
) {
  const { clock, exitSeconds, ttlCheckSeconds } = settings;
  const { loadSeconds, ttlSeconds, unloadTimeoutSeconds } = description;
  const process = {
    description,
    state: 'stopped' as SwapState,
    /** The state in the words of a router, where a model can also wake. */
    status: 'unloaded' as 'unloaded' | 'loading' | 'loaded',
    known: false,
    engine: createEngine(clock, SLOTS),
    /** Its next start fails. */
    failsNext: false,
    /** Requests it serves. */
    serving: 0,
    /** When it last finished one; monotonic milliseconds. A load without a client is no use. */
    usedAt: Number.NEGATIVE_INFINITY,
  };
  const signal = new EventEmitter().setMaxListeners(0);
  let cancelNext = () => {};
  let cancelTtl = () => {};
  let isAborted = false;
  /** How many of its processes have ended. */
  let ends = 0;

  return Object.assign(process, {
    isRunning: () => process.state !== 'stopped',
    /** Starts it, after the end of a stop under way; resolves when it is ready or its start has failed. */
    async ensureReady(): Promise<'ready' | 'failed'> {
      while (process.state === 'stopping') await once(signal, 'change');
      if (process.state === 'stopped') start();
      while (process.state === 'starting') await once(signal, 'change');
      return process.state === 'ready' ? 'ready' : 'failed';
    },
    stop,
    /** Ends it as SIGKILL does. */
    crash(): void {
      if (process.state !== 'stopped') end();
    },
    /** Resolves with the end of the request. `done` is an answer; `killed`: the process or the client has gone. */
    async generate(generation: Generation, gone?: AbortSignal): Promise<'done' | 'killed'> {
      if (process.state !== 'ready') return 'killed';
      const result = await process.engine.generate(generation, gone);
      process.usedAt = clock.now();
      return result;
    },
  });

  function change(state: SwapState): void {
    process.state = state;
    process.status = STATUS[state];
    changed();
    signal.emit('change');
  }

  function start(): void {
    isAborted = false;
    process.engine = createEngine(clock, SLOTS);
    change('starting');
    const fails = description.fails || process.failsNext;
    process.failsNext = false;
    next(fails ? loadSeconds * 0.2 : loadSeconds, fails ? end : ready);
  }

  function ready(): void {
    change('ready');
    if (ttlSeconds > 0) checkTtl();
  }

  function checkTtl(): void {
    cancelTtl = clock.after(ttlCheckSeconds * 1000, () => {
      const isExpired = process.serving === 0 && clock.now() - process.usedAt > ttlSeconds * 1000;
      if (isExpired) void stop();
      else checkTtl();
    });
  }

  /** Resolves when the process is gone. Busy, it is killed after the timeout. Starting, it does not show as stopping. */
  async function stop(timeoutSeconds = unloadTimeoutSeconds): Promise<void> {
    if (process.state === 'starting' && !isAborted) {
      isAborted = true;
      next(exitSeconds, end);
    } else if (process.state === 'ready') {
      const isKilled = process.engine.isBusy();
      cancelTtl();
      process.engine.freeze();
      next(isKilled ? timeoutSeconds : exitSeconds, end);
      change('stopping');
    }
    const before = ends;
    while (process.state !== 'stopped' && ends === before) await once(signal, 'change');
  }

  function next(seconds: number, action: () => void): void {
    cancelNext();
    cancelNext = clock.after(seconds * 1000, action);
  }

  function end(): void {
    cancelNext();
    cancelTtl();
    process.engine.kill();
    ends += 1;
    change('stopped');
  }
}
