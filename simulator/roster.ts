import type { Clock } from '../src/lib/clock.ts';
import { createChangeSignal } from './change-signal.ts';
import type { Generation } from './engine.ts';
import { listReloaded, type SimulatorEvent } from './events.ts';
import type { DescribedModel } from './model-description.ts';
import {
  createSimulatedModel,
  type ModelTiming,
  type RequestEnd,
  type SimulatedListing,
  type SimulatedModel,
} from './simulated-model.ts';

/** `full`: every place is taken by a model that is loading or busy. */
export type LoadEnd = 'started' | 'unknown' | 'running' | 'full';
export type ReadyEnd = 'ready' | 'failed' | 'gone';
export type ServeEnd = RequestEnd | Exclude<ReadyEnd, 'ready'>;

/** All models of one router: which have a process, and which is evicted for another. */
export interface Roster {
  /** By id or alias. */
  find(name: string): SimulatedModel | undefined;
  /** Ordered by id. */
  all(): readonly SimulatedListing[];
  /** Evicts a model if the router is full and starts the process; resolves before the model is loaded. */
  load(name: string): Promise<LoadEnd>;
  /** As a request does: waits for a place as long as it takes, and for the load. */
  ready(model: SimulatedModel): Promise<ReadyEnd>;
  /** Has the model generate, after loading it if `loads`. A model with a request is not evicted. */
  serve(model: SimulatedModel, generation: Generation, loads: boolean): Promise<ServeEnd>;
  /** Compares with the disk: models appear and vanish, and failures are forgotten. */
  rescan(): Promise<void>;
  vanish(): void;
}

export interface RosterOptions {
  readonly timing: ModelTiming;
  /** How many models may have a process; 0: no limit. */
  readonly modelsMax: number;
  /** The models folder, by id. */
  readonly disk: ReadonlyMap<string, DescribedModel>;
  /** Whether this load of the model fails. */
  fails(id: string): boolean;
  random(): number;
}

export function createRoster(
  { timing, modelsMax, disk, fails, random }: RosterOptions,
  clock: Clock,
  publish: (event: SimulatorEvent) => void,
): Roster {
  const models = new Map<string, SimulatedModel>();
  const idsByAlias = new Map<string, string>();
  /** The number of requests each model serves or is loaded for. */
  const claims = new Map<SimulatedModel, number>();
  const signal = createChangeSignal();
  let sorted: readonly SimulatedListing[] | undefined;
  let rescanning: Promise<void> | undefined;
  let ended = false;
  for (const description of disk.values()) add(description);

  return {
    find,
    all() {
      sorted ??= [...models.values()].toSorted((a, b) => (a.description.id < b.description.id ? -1 : 1));
      return sorted;
    },
    async load(name) {
      const model = find(name);
      return model ? start(model, false) : 'unknown';
    },
    ready,
    async serve(model, generation, loads) {
      claim(model, 1);
      try {
        const end = loads ? await ready(model) : 'ready';
        if (end !== 'ready') return end;
        model.usedAt = clock.now();
        return await model.generate(generation);
      } finally {
        claim(model, -1);
      }
    },
    rescan() {
      rescanning ??= reconcile().finally(() => {
        rescanning = undefined;
      });
      return rescanning;
    },
    vanish() {
      ended = true;
      for (const model of models.values()) model.vanish();
      signal.notify();
    },
  };

  function announce(event: SimulatorEvent): void {
    publish(event);
    signal.notify();
  }

  function find(name: string): SimulatedModel | undefined {
    return models.get(name) ?? models.get(idsByAlias.get(name) ?? '');
  }

  function add(description: DescribedModel): void {
    models.set(description.id, createSimulatedModel(description, clock, timing, announce));
    for (const alias of description.aliases) idsByAlias.set(alias, description.id);
    sorted = undefined;
  }

  function remove({ description: { id, aliases } }: SimulatedModel): void {
    for (const alias of aliases) idsByAlias.delete(alias);
    models.delete(id);
    sorted = undefined;
  }

  async function gone(model: SimulatedModel): Promise<void> {
    while (model.running) await signal.changed();
  }

  async function start(model: SimulatedModel, waits: boolean): Promise<LoadEnd> {
    for (;;) {
      await rescanning;
      if (ended || models.get(model.description.id) !== model) return 'unknown';
      if (model.running) return 'running';
      const running = [...models.values()].filter((each) => each.running);
      if (modelsMax === 0 || running.length < modelsMax) {
        // Like a port from the kernel.
        model.start(32_768 + Math.floor(random() * 28_000), fails(model.description.id));
        return 'started';
      }
      const victim = leastRecentlyUsed(running);
      if (victim) {
        victim.stop();
        await gone(victim);
      } else if (waits) {
        await signal.changed();
      } else {
        return 'full';
      }
    }
  }

  /** A model that loads, stops, or has a request is not evicted. */
  function leastRecentlyUsed(running: readonly SimulatedModel[]): SimulatedModel | undefined {
    return running
      .filter((model) => model.status !== 'loading' && !model.stopping && !claims.has(model))
      .toSorted((a, b) => a.usedAt - b.usedAt)[0];
  }

  async function ready(model: SimulatedModel): Promise<ReadyEnd> {
    for (;;) {
      if (model.stopping) await gone(model);
      if (model.status !== 'unloaded') break;
      if ((await start(model, true)) === 'unknown') return 'gone';
    }
    while (model.status === 'loading' && !model.known) await signal.changed();
    return model.running ? 'ready' : 'failed';
  }

  function claim(model: SimulatedModel, change: 1 | -1): void {
    const left = (claims.get(model) ?? 0) + change;
    if (left > 0) claims.set(model, left);
    else claims.delete(model);
    signal.notify();
  }

  async function reconcile(): Promise<void> {
    const leaving = [...models.values()].filter(({ description }) => !disk.has(description.id));
    for (const model of leaving) model.stop();
    for (const model of leaving) await gone(model);
    for (const model of leaving) remove(model);
    for (const model of models.values()) model.clearFailure();
    for (const description of disk.values()) if (!models.has(description.id)) add(description);
    announce(listReloaded);
  }
}
