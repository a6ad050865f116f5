import { EventEmitter, once } from 'node:events';
import { createEngine, type Generation } from './engine.ts';
import { loaded, progressing, type SimulatorEvent, statusChange } from './events.ts';
import type { DescribedModel } from './model-description.ts';
import type { RouterSettings } from './settings.ts';

/** `refused`: no process listens. `killed`: the process ended during the request. */
export type RequestEnd = 'done' | 'killed' | 'refused';

/** One model of the router, with the process it may have. */
export type SimulatedModel = ReturnType<typeof createSimulatedModel>;

export function createSimulatedModel(
  description: DescribedModel,
  settings: RouterSettings,
  publish: (event: SimulatorEvent) => void,
) {
  const { id, loadSeconds, wakeSeconds } = description;
  const { clock, slotsPerModel, sleepIdleSeconds } = settings;
  const model = {
    description,
    status: 'unloaded' as 'unloaded' | 'loading' | 'loaded' | 'sleeping',
    /** Port of its last process; 0 before the first. */
    port: 0,
    /** Exit code of its last process; 0 before the first, and again after a rescan. */
    exitCode: 0,
    /** Its process has reported the model's data. A model that wakes is `loading` and known. */
    known: false,
    /** Told to exit and not gone yet: it no longer listens, and the listing is unchanged. */
    stopping: false,
    /** When a load or a POST last used it; monotonic milliseconds. */
    usedAt: 0,
    engine: createEngine(clock, slotsPerModel),
    /** Its next load fails. */
    failsNext: false,
    /** The number of requests that it serves or is loaded for. */
    requests: 0,
  };
  const settled = new EventEmitter().setMaxListeners(0);
  let cancelNext = () => {};
  let cancelSleep = () => {};

  return Object.assign(model, {
    isRunning,
    isListening,
    wake,
    stop,

    start(port: number): void {
      const fails = description.fails || model.failsNext;
      model.failsNext = false;
      model.engine = createEngine(clock, slotsPerModel);
      model.usedAt = clock.now();
      const started = { model: id, event: 'model_status', data: { status: 'loading' } };
      change({ status: 'loading', port, known: false }, started);
      // A process needs a moment before it reports progress.
      next(loadSeconds * 0.1, () => (fails ? failLoad() : finishLoad()));
    },

    crash(): void {
      if (isRunning()) end(1);
    },

    async generate(generation: Generation): Promise<RequestEnd> {
      if (!isListening()) return 'refused';
      await wake();
      if (model.status !== 'loaded' || model.stopping) return 'killed';
      cancelSleep();
      const result = await model.engine.generate(generation);
      startIdleTimer();
      return result;
    },

    /** Forgets the last exit code, as a rescan does. */
    clearFailure(): void {
      if (!isRunning()) model.exitCode = 0;
    },

    /** Ends everything without an event: the router itself is gone. */
    vanish: () => end(undefined),
  });

  function isRunning(): boolean {
    return model.status !== 'unloaded';
  }

  /** Its process accepts requests. A process that has just started does not. */
  function isListening(): boolean {
    return isRunning() && !model.stopping && (model.status !== 'loading' || model.known);
  }

  /** Tells its process to exit. Loading: killed at once. Busy: killed after the stop timeout. */
  function stop(): void {
    if (!isRunning() || model.stopping) return;
    if (model.status === 'loading') return end(1);
    model.stopping = true;
    cancelSleep();
    const killed = model.engine.isBusy();
    model.engine.freeze();
    next(killed ? settings.stopTimeoutSeconds : settings.exitSeconds, () => end(killed ? 1 : 0));
  }

  /** Wakes it if it sleeps, and resolves when it is neither waking nor loading. */
  async function wake(): Promise<void> {
    if (model.status === 'sleeping' && !model.stopping) {
      change({ status: 'loading' });
      reportProgress(wakeSeconds, () => {
        change({ status: 'loaded' }, statusChange(id, { status: 'loaded' }));
        startIdleTimer();
      });
    }
    while (model.status === 'loading') await once(settled, 'change');
    startIdleTimer();
  }

  function change(fields: Partial<typeof model>, event?: SimulatorEvent): void {
    Object.assign(model, fields);
    if (event) publish(event);
    if (model.status !== 'loading') settled.emit('change');
  }

  function next(seconds: number, action: () => void): void {
    cancelNext = clock.after(seconds * 1000, action);
  }

  function failLoad(): void {
    publish(progressing(id, 0));
    next(loadSeconds * 0.1, () => end(1));
  }

  function finishLoad(): void {
    reportProgress(loadSeconds * 0.9, () => {
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
    if (sleepIdleSeconds <= 0 || model.status !== 'loaded' || model.stopping || model.engine.isBusy()) return;
    cancelSleep = clock.after(sleepIdleSeconds * 1000, () =>
      change({ status: 'sleeping' }, statusChange(id, { status: 'sleeping' })),
    );
  }

  /** `exitCode` is undefined when the router itself is gone: there is no event then. */
  function end(exitCode: number | undefined): void {
    cancelNext();
    cancelSleep();
    model.engine.kill();
    const event = statusChange(id, { status: 'unloaded', exit_code: exitCode });
    const fields = { status: 'unloaded', exitCode: exitCode ?? 0, known: false, stopping: false } as const;
    change(fields, exitCode === undefined ? undefined : event);
  }
}
