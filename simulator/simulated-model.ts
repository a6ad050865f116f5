import type { Clock } from '../src/lib/clock.ts';
import { type Bell, createBell } from './bell.ts';
import type { DescribedModel } from './description.ts';
import { createEngine, type Engine, type Generation } from './engine.ts';
import { asleep, beginning, loaded, progressing, type RouterEvent, unloaded, woken } from './event.ts';
import type { ListedModel, ModelStatus } from './listed-model.ts';

/** What became of a request: `refused` found nobody listening, `killed` lost its process on the way. */
export type RequestEnd = 'done' | 'killed' | 'refused';

/** One model of the router, and the process it may have. */
export interface SimulatedModel extends ListedModel {
  readonly running: boolean;
  /** Told to exit and not gone yet. It listens no more, and the router still lists what it was. */
  readonly stopping: boolean;
  /** Whether its process takes requests. One that has just begun to load does not. */
  readonly listening: boolean;
  readonly engine: Engine;
  /** When a load or a POST last chose it, in ms since the epoch. GETs and ends of requests do not count. */
  usedAt: number;
  /** Starts its process. `fails` makes this one load fail. */
  start(port: number, fails: boolean): void;
  /** Asks its process to exit. Loading: killed at once. Busy: killed after the stop timeout, with its requests. */
  stop(): void;
  /** Its process is gone, without anybody having asked for it. */
  crash(): void;
  /** SIGTERM from outside: its process listens no more but stays, and the router lists it as before. */
  deafen(): void;
  /** Wakes it if it sleeps, and resolves when it is neither waking nor loading. */
  wake(): Promise<void>;
  generate(generation: Generation): Promise<RequestEnd>;
  /** Forgets the last exit code, as a rescan does. */
  forgive(): void;
  /** Ends all of it without a word: the router itself is gone. */
  vanish(): void;
}

export interface Habits {
  readonly slots: number;
  readonly stopTimeoutSeconds: number;
  /** How long an idle process takes to exit. */
  readonly exitSeconds: number;
  /** Below or at 0: never sleeps. */
  readonly sleepIdleSeconds: number;
}

export function createSimulatedModel(
  description: DescribedModel,
  clock: Clock,
  habits: Habits,
  tell: (event: RouterEvent) => void,
): SimulatedModel {
  const { id } = description;
  const settled: Bell = createBell();
  const seen = { status: 'unloaded' as ModelStatus, port: 0, exitCode: 0, known: false, revision: 0 };
  let engine = createEngine(clock, habits.slots);
  let usedAt = 0;
  let stopping = false;
  let deaf = false;
  let cancelNext = () => {};
  let cancelSleep = () => {};

  function become(change: Partial<typeof seen>, event?: RouterEvent): void {
    Object.assign(seen, change, { revision: seen.revision + 1 });
    if (event) tell(event);
    if (seen.status !== 'loading') settled.ring();
  }

  function next(seconds: number, action: () => void): void {
    cancelNext = clock.after(seconds * 1000, action);
  }

  /** Long loads report in tenths, short ones only their beginning and their end. */
  function progress(seconds: number, done: () => void): void {
    const steps = seconds >= 1 ? 10 : 1;
    const report = (step: number) => {
      tell(progressing(id, step / steps));
      if (step === steps) return done();
      next(seconds / steps, () => report(step + 1));
    };
    report(0);
  }

  function rest(): void {
    cancelSleep();
    if (habits.sleepIdleSeconds <= 0 || seen.status !== 'loaded' || stopping || engine.busy) return;
    cancelSleep = clock.after(habits.sleepIdleSeconds * 1000, () =>
      become({ status: 'sleeping' }, asleep(id)),
    );
  }

  function end(exitCode: number, event: RouterEvent | undefined): void {
    cancelNext();
    cancelSleep();
    stopping = false;
    deaf = false;
    engine.kill();
    become({ status: 'unloaded', exitCode, known: false }, event);
  }

  const running = () => seen.status !== 'unloaded';
  const listening = () => running() && !stopping && !deaf && (seen.status !== 'loading' || seen.known);

  return {
    description,
    get status() {
      return seen.status;
    },
    get port() {
      return seen.port;
    },
    get exitCode() {
      return seen.exitCode;
    },
    get known() {
      return seen.known;
    },
    get revision() {
      return seen.revision;
    },
    get running() {
      return running();
    },
    get stopping() {
      return stopping;
    },
    get listening() {
      return listening();
    },
    get engine() {
      return engine;
    },
    get usedAt() {
      return usedAt;
    },
    set usedAt(at) {
      usedAt = at;
    },

    start(port, fails) {
      engine = createEngine(clock, habits.slots);
      usedAt = clock.now();
      become({ status: 'loading', port, known: false }, beginning(id, 'loading'));
      // The process needs a moment before it can say anything, which is why an unload soon after meets no progress.
      next(description.loadSeconds * 0.1, () => {
        if (fails) {
          tell(progressing(id, 0));
          next(description.loadSeconds * 0.1, () => end(1, unloaded(id, 1)));
          return;
        }
        progress(description.loadSeconds * 0.9, () => {
          const nowSeconds = Math.floor(clock.wall() / 1000);
          become({ status: 'loaded', known: true }, loaded(description, nowSeconds));
          rest();
        });
      });
    },

    stop() {
      if (!running() || stopping) return;
      if (seen.status === 'loading') return end(1, unloaded(id, 1));
      stopping = true;
      cancelSleep();
      const killed = engine.busy && !deaf;
      engine.freeze();
      next(killed ? habits.stopTimeoutSeconds : habits.exitSeconds, () => {
        const exitCode = killed ? 1 : 0;
        end(exitCode, unloaded(id, exitCode));
      });
    },

    crash() {
      if (running()) end(1, unloaded(id, 1));
    },

    deafen() {
      deaf = true;
      cancelSleep();
      engine.kill();
    },

    async wake() {
      if (seen.status === 'sleeping' && !stopping && !deaf) {
        become({ status: 'loading' });
        progress(description.wakeSeconds, () => {
          become({ status: 'loaded' }, woken(id));
          rest();
        });
      }
      while (seen.status === 'loading') await settled.heard();
      rest();
    },

    async generate(generation) {
      if (!listening()) return 'refused';
      await this.wake();
      if (seen.status !== 'loaded' || stopping) return 'killed';
      cancelSleep();
      const result = await engine.generate(generation);
      rest();
      return result;
    },

    forgive() {
      if (!running()) become({ exitCode: 0 });
    },

    vanish() {
      end(0, undefined);
    },
  };
}
