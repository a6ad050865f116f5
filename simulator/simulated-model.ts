import type { Clock } from '../src/lib/clock.ts';
import { createChangeSignal } from './change-signal.ts';
import { createEngine, type Engine, type Generation } from './engine.ts';
import { asleep, loaded, progressing, type SimulatorEvent, started, unloaded, woken } from './events.ts';
import type { DescribedModel } from './model-description.ts';

export type ModelStatus = 'unloaded' | 'loading' | 'loaded' | 'sleeping';

/** What a listing shows of a model. */
export interface SimulatedListing {
  readonly description: DescribedModel;
  readonly status: ModelStatus;
  /** Port of its last process; 0 before the first. */
  readonly port: number;
  /** Exit code of its last process; 0 before the first, and again after a rescan. */
  readonly exitCode: number;
  /** Its process has reported the model's data. A model that wakes is `loading` and known. */
  readonly known: boolean;
  /** Changes with each of the above. */
  readonly revision: number;
}

/** `refused`: no process listens. `killed`: the process ended during the request. */
export type RequestEnd = 'done' | 'killed' | 'refused';

/** One model of the router, with the process it may have. */
export interface SimulatedModel extends SimulatedListing {
  readonly running: boolean;
  /** Told to exit and not gone yet: it no longer listens, and the listing is unchanged. */
  readonly stopping: boolean;
  /** Its process accepts requests. A process that has just started does not. */
  readonly listening: boolean;
  readonly engine: Engine;
  /** When a load or a POST last used it; monotonic milliseconds. */
  usedAt: number;
  /** Starts its process. `fails` makes this load fail. */
  start(port: number, fails: boolean): void;
  /** Tells its process to exit. Loading: killed at once. Busy: killed after the stop timeout. */
  stop(): void;
  /** Ends its process as a crash does. */
  crash(): void;
  /** Wakes it if it sleeps, and resolves when it is neither waking nor loading. */
  wake(): Promise<void>;
  generate(generation: Generation): Promise<RequestEnd>;
  /** Forgets the last exit code, as a rescan does. */
  clearFailure(): void;
  /** Ends everything without an event: the router itself is gone. */
  vanish(): void;
}

export interface ModelTiming {
  readonly slots: number;
  readonly stopTimeoutSeconds: number;
  /** How long an idle process takes to exit. */
  readonly exitSeconds: number;
  /** 0 or less: never sleeps. */
  readonly sleepIdleSeconds: number;
}

export function createSimulatedModel(
  description: DescribedModel,
  clock: Clock,
  timing: ModelTiming,
  publish: (event: SimulatorEvent) => void,
): SimulatedModel {
  const { id } = description;
  const settled = createChangeSignal();
  let cancelNext = () => {};
  let cancelSleep = () => {};

  type Listed = { -readonly [Key in keyof SimulatedListing]: SimulatedListing[Key] };
  const model: Listed & Omit<SimulatedModel, keyof SimulatedListing> & { engine: Engine; stopping: boolean } =
    {
      description,
      status: 'unloaded',
      port: 0,
      exitCode: 0,
      known: false,
      revision: 0,
      engine: createEngine(clock, timing.slots),
      usedAt: 0,
      stopping: false,
      get running() {
        return model.status !== 'unloaded';
      },
      get listening() {
        return model.running && !model.stopping && (model.status !== 'loading' || model.known);
      },

      start(port, fails) {
        model.engine = createEngine(clock, timing.slots);
        model.usedAt = clock.now();
        change({ status: 'loading', port, known: false }, started(id));
        // A process needs a moment before it reports progress.
        next(description.loadSeconds * 0.1, () => (fails ? failLoad() : finishLoad()));
      },

      stop() {
        if (!model.running || model.stopping) return;
        if (model.status === 'loading') return end(1, unloaded(id, 1));
        model.stopping = true;
        cancelSleep();
        const killed = model.engine.busy;
        model.engine.freeze();
        next(killed ? timing.stopTimeoutSeconds : timing.exitSeconds, () => {
          const exitCode = killed ? 1 : 0;
          end(exitCode, unloaded(id, exitCode));
        });
      },

      crash() {
        if (model.running) end(1, unloaded(id, 1));
      },

      async wake() {
        if (model.status === 'sleeping' && !model.stopping) {
          change({ status: 'loading' });
          reportProgress(description.wakeSeconds, () => {
            change({ status: 'loaded' }, woken(id));
            startIdleTimer();
          });
        }
        while (model.status === 'loading') await settled.changed();
        startIdleTimer();
      },

      async generate(generation) {
        if (!model.listening) return 'refused';
        await model.wake();
        if (model.status !== 'loaded' || model.stopping) return 'killed';
        cancelSleep();
        const result = await model.engine.generate(generation);
        startIdleTimer();
        return result;
      },

      clearFailure() {
        if (!model.running) change({ exitCode: 0 });
      },

      vanish: () => end(0, undefined),
    };
  return model;

  function change(fields: Partial<SimulatedListing>, event?: SimulatorEvent): void {
    Object.assign(model, fields, { revision: model.revision + 1 });
    if (event) publish(event);
    if (model.status !== 'loading') settled.notify();
  }

  function next(seconds: number, action: () => void): void {
    cancelNext = clock.after(seconds * 1000, action);
  }

  function failLoad(): void {
    publish(progressing(id, 0));
    next(description.loadSeconds * 0.1, () => end(1, unloaded(id, 1)));
  }

  function finishLoad(): void {
    reportProgress(description.loadSeconds * 0.9, () => {
      const nowSeconds = Math.floor(clock.wall() / 1000);
      change({ status: 'loaded', known: true }, loaded(description, nowSeconds));
      startIdleTimer();
    });
  }

  /** Long loads report in tenths, short ones only their start and end. */
  function reportProgress(seconds: number, done: () => void): void {
    const steps = seconds >= 1 ? 10 : 1;
    const report = (step: number) => {
      publish(progressing(id, step / steps));
      if (step === steps) return done();
      next(seconds / steps, () => report(step + 1));
    };
    report(0);
  }

  function startIdleTimer(): void {
    cancelSleep();
    const { sleepIdleSeconds } = timing;
    if (sleepIdleSeconds <= 0 || model.status !== 'loaded' || model.stopping || model.engine.busy) return;
    cancelSleep = clock.after(sleepIdleSeconds * 1000, () => change({ status: 'sleeping' }, asleep(id)));
  }

  function end(exitCode: number, event: SimulatorEvent | undefined): void {
    cancelNext();
    cancelSleep();
    model.stopping = false;
    model.engine.kill();
    change({ status: 'unloaded', exitCode, known: false }, event);
  }
}
