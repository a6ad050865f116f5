import { EventEmitter, once } from 'node:events';
import type { Generation } from './engine.ts';
import { listReloaded, type SimulatorEvent } from './events.ts';
import type { DescribedModel } from './model-description.ts';
import type { RouterSettings } from './settings.ts';
import { createSimulatedModel, type RequestEnd, type SimulatedModel } from './simulated-model.ts';

/** `full`: every place is taken by a model that is loading or busy. */
export type LoadEnd = 'started' | 'unknown' | 'running' | 'full';
export type ReadyEnd = 'ready' | 'failed' | 'gone';
export type ServeEnd = RequestEnd | Exclude<ReadyEnd, 'ready'>;

/** All models of one router: which have a process, and which is evicted for another. */
export type Roster = ReturnType<typeof createRoster>;

/** `disk` is the models folder, by id. */
export function createRoster(
  settings: RouterSettings,
  disk: ReadonlyMap<string, DescribedModel>,
  publish: (event: SimulatorEvent) => void,
) {
  const { clock, modelsMax, random } = settings;
  const models = new Map<string, SimulatedModel>();
  const signal = new EventEmitter().setMaxListeners(0);
  let rescanning: Promise<void> | undefined;
  let ended = false;
  for (const description of disk.values()) add(description);

  return {
    find,
    ready,
    /** Ordered by id. */
    all(): readonly SimulatedModel[] {
      return [...models.values()].sort((a, b) => (a.description.id < b.description.id ? -1 : 1));
    },
    /** Evicts a model if the router is full and starts the process; resolves before the model is loaded. */
    async load(name: string): Promise<LoadEnd> {
      const model = find(name);
      return model ? start(model, false) : 'unknown';
    },
    /** Has the model generate, after loading it if `loads`. A model with a request is not evicted. */
    async serve(model: SimulatedModel, generation: Generation, loads: boolean): Promise<ServeEnd> {
      model.requests += 1;
      try {
        const end = loads ? await ready(model) : 'ready';
        if (end !== 'ready') return end;
        model.usedAt = clock.now();
        return await model.generate(generation);
      } finally {
        model.requests -= 1;
        signal.emit('change');
      }
    },
    /** Compares with the disk: models appear and vanish, and failures are forgotten. */
    rescan(): Promise<void> {
      rescanning ??= reconcile().finally(() => {
        rescanning = undefined;
      });
      return rescanning;
    },
    vanish(): void {
      ended = true;
      for (const model of models.values()) model.vanish();
      signal.emit('change');
    },
  };

  function announce(event: SimulatorEvent): void {
    publish(event);
    signal.emit('change');
  }

  /** By id or alias. */
  function find(name: string): SimulatedModel | undefined {
    const byAlias = () => [...models.values()].find(({ description }) => description.aliases.includes(name));
    return models.get(name) ?? byAlias();
  }

  function add(description: DescribedModel): void {
    models.set(description.id, createSimulatedModel(description, settings, announce));
  }

  async function gone(model: SimulatedModel): Promise<void> {
    while (model.isRunning()) await once(signal, 'change');
  }

  async function start(model: SimulatedModel, waits: boolean): Promise<LoadEnd> {
    for (;;) {
      await rescanning;
      if (ended || models.get(model.description.id) !== model) return 'unknown';
      if (model.isRunning()) return 'running';
      const running = [...models.values()].filter((each) => each.isRunning());
      if (modelsMax === 0 || running.length < modelsMax) {
        // Like a port from the kernel.
        model.start(32_768 + Math.floor(random() * 28_000));
        return 'started';
      }
      const victim = leastRecentlyUsed(running);
      if (victim) {
        victim.stop();
        await gone(victim);
      } else if (waits) {
        await once(signal, 'change');
      } else {
        return 'full';
      }
    }
  }

  /** A model that loads, stops, or has a request is not evicted. */
  function leastRecentlyUsed(running: readonly SimulatedModel[]): SimulatedModel | undefined {
    return running
      .filter((model) => model.status !== 'loading' && !model.stopping && model.requests === 0)
      .sort((a, b) => a.usedAt - b.usedAt)[0];
  }

  /** As a request does: waits for a place as long as it takes, and for the load. */
  async function ready(model: SimulatedModel): Promise<ReadyEnd> {
    for (;;) {
      if (model.stopping) await gone(model);
      if (model.isRunning()) break;
      if ((await start(model, true)) === 'unknown') return 'gone';
    }
    while (model.status === 'loading' && !model.known) await once(signal, 'change');
    return model.isRunning() ? 'ready' : 'failed';
  }

  async function reconcile(): Promise<void> {
    const leaving = [...models.values()].filter(({ description }) => !disk.has(description.id));
    for (const model of leaving) model.stop();
    for (const model of leaving) await gone(model);
    for (const { description } of leaving) models.delete(description.id);
    for (const model of models.values()) model.clearFailure();
    for (const description of disk.values()) if (!models.has(description.id)) add(description);
    announce(listReloaded);
  }
}
