import type { Listing, RouterEvent, Status } from '../../src/models/feed.ts';
import { aListing, begun, ended, listed, turned } from './a-model.ts';

/** The true counts. */
export interface Tally {
  loads: number;
  failures: number;
  sleeps: number;
  wakes: number;
  requested: number;
  external: number;
  evicted: number;
  crashed: number;
  expired: number;
  /** Counted only by observers. */
  unknown: number;
  /** Requested unloads and evictions whose process had to be killed. */
  forced: number;
}

export const NOTHING: Tally = {
  loads: 0,
  failures: 0,
  sleeps: 0,
  wakes: 0,
  requested: 0,
  external: 0,
  evicted: 0,
  crashed: 0,
  expired: 0,
  unknown: 0,
  forced: 0,
};

export interface TrueModel {
  id: string;
  process: 'none' | 'coming up' | 'loaded' | 'sleeping' | 'waking';
  port: number;
  failed: boolean;
  usedAt: number;
  done: Tally;
}

/** One action on a model, by us or by others. */
export type Action =
  | { do: 'load'; model: number /** A process that is evicted for it misses the order. */; missed: boolean }
  | { do: 'comeUp' | 'failLoad' | 'sleep' | 'wake' | 'wokenUp' | 'crash'; model: number }
  | { do: 'unload'; model: number; by: 'us' | 'others'; busy: boolean };

export interface Router {
  models: TrueModel[];
  /** What may happen to this model now. */
  possible(model: number): Action[];
  /** Performs it, unless the router is full of models that cannot be evicted, and returns its events. */
  act(action: Action): RouterEvent[];
  /** Ends its processes and forgets all ports and failures, without events. */
  restart(): void;
  listing(): Listing;
}

/**
 * A model of a router according to its recordings, independent of src: processes with ports, eviction of the least
 * recently used model, its events and the true state. With `missesOrders`, an evicted process may have to be killed.
 */
export function createTrueRouter(ids: readonly string[], modelsMax: number, missesOrders: boolean): Router {
  let lastPort = 40_000;
  let uses = 0;
  const models = ids.map(
    (id): TrueModel => ({ id, process: 'none', port: 0, failed: false, usedAt: 0, done: { ...NOTHING } }),
  );
  const running = () => models.filter(({ process }) => process !== 'none');
  return {
    models,
    possible: (model) => possibleActions(model, models[model]?.process ?? 'none', missesOrders),
    act(action) {
      const model = models[action.model];
      return model ? act(model, action) : [];
    },
    restart() {
      for (const model of models) {
        if (isUp(model)) model.done.external += 1;
        Object.assign(model, { process: 'none', port: 0, failed: false });
      }
    },
    listing: () =>
      aListing(
        ...models.map(({ id, process, port, failed }) =>
          listed(id, statusOf(process), { failed, instance: port, hasLoaded: isUp({ process }) }),
        ),
      ),
  };

  function act(model: TrueModel, action: Action): RouterEvent[] {
    const { id, done } = model;
    switch (action.do) {
      case 'load':
        return load(model, action.missed);
      case 'comeUp':
        done.loads += 1;
        model.process = 'loaded';
        return [turned(id, 'loading', { progress: 1 }), turned(id, 'loaded', { facts: { parameters: 1 } })];
      case 'failLoad':
        done.failures += 1;
        return end(model, 1);
      case 'sleep':
        done.sleeps += 1;
        model.process = 'sleeping';
        return [turned(id, 'sleeping')];
      case 'wake':
        model.process = 'waking';
        return [turned(id, 'loading', { progress: 0 })];
      case 'wokenUp':
        done.wakes += 1;
        model.process = 'loaded';
        return [turned(id, 'loaded')];
      case 'crash':
        done.crashed += 1;
        return end(model, 1);
      case 'unload':
        return unload(model, action);
    }
  }

  function load(model: TrueModel, missed: boolean): RouterEvent[] {
    const evicted = makeRoom(missed);
    if (evicted === 'impossible') return [];
    lastPort += 1;
    uses += 1;
    Object.assign(model, { process: 'coming up', port: lastPort, failed: false, usedAt: uses });
    return [...evicted, begun(model.id), turned(model.id, 'loading', { progress: 0 })];
  }

  function makeRoom(missed: boolean): RouterEvent[] | 'impossible' {
    if (running().length < modelsMax) return [];
    const [victim] = running()
      .filter(({ process }) => process === 'loaded' || process === 'sleeping')
      .sort((a, b) => a.usedAt - b.usedAt);
    if (!victim) return 'impossible';
    victim.done.evicted += 1;
    if (missed) victim.done.forced += 1;
    return end(victim, missed ? 1 : 0);
  }

  /** A kill by others looks like what ends by itself: as such it is counted. */
  function unload(model: TrueModel, { by, busy }: Action & { do: 'unload' }): RouterEvent[] {
    const killed = busy || !isUp(model);
    if (by === 'us' && isUp(model) && killed) model.done.forced += 1;
    if (by === 'us') model.done.requested += 1;
    else if (!killed) model.done.external += 1;
    else if (isUp(model)) model.done.crashed += 1;
    else model.done.failures += 1;
    return end(model, killed ? 1 : 0);
  }

  function end(model: TrueModel, exitCode: 0 | 1): RouterEvent[] {
    model.process = 'none';
    model.failed = exitCode !== 0;
    return [ended(model.id, exitCode)];
  }
}

function possibleActions(model: number, process: TrueModel['process'], missesOrders: boolean): Action[] {
  const unloads = (['us', 'others'] as const).flatMap((by) =>
    [true, false].map((busy): Action => ({ do: 'unload', model, by, busy })),
  );
  const actions = (...names: Exclude<Action['do'], 'load' | 'unload'>[]) =>
    names.map((name): Action => ({ do: name, model }));
  switch (process) {
    case 'none':
      return (missesOrders ? [false, true] : [false]).map((missed) => ({ do: 'load', model, missed }));
    case 'coming up':
      return [...actions('comeUp', 'comeUp', 'comeUp', 'comeUp', 'failLoad'), ...unloads];
    case 'loaded':
      return [...actions('sleep', 'sleep', 'crash'), ...unloads];
    case 'sleeping':
      return [...actions('wake', 'wake', 'crash'), ...unloads];
    case 'waking':
      return [...actions('wokenUp', 'wokenUp', 'wokenUp', 'crash'), ...unloads];
  }
}

/** Whether it has loaded and its process still runs. */
export function isUp({ process }: Pick<TrueModel, 'process'>): boolean {
  return process === 'loaded' || process === 'sleeping' || process === 'waking';
}

export function statusOf(process: TrueModel['process']): Status {
  if (process === 'none') return 'unloaded';
  return process === 'coming up' || process === 'waking' ? 'loading' : process;
}
