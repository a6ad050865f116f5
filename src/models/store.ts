import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import { savedTime } from '../lib/saved-time.ts';
import type { StatePart } from '../state/keep-state.ts';
import type { LifecycleRules } from './lifecycle-state.ts';
import { createRouterEntry, type RouterEntry } from './router-entry.ts';
import type { RouterState, Transition } from './router-state.ts';
import { UNLOAD_REASONS } from './status.ts';

/** The last unload of a model. `at` is wall time in the state file, else monotonic; milliseconds. */
export const savedUnload = z.object({
  router: z.string(),
  model: z.string(),
  at: savedTime,
  reason: z.enum(UNLOAD_REASONS),
});

export type LastUnload = z.infer<typeof savedUnload>;

/** The belief about every router and model, and the news of its changes. */
export interface Store {
  /** All routers, in the order in which they were added. */
  routers(): readonly Readonly<RouterState>[];
  entry(router: string): RouterEntry | undefined;
  /** Starts to believe in a router. Throws when the name is taken: the configuration forbids it. */
  add(router: string, url: string): RouterEntry;
  /** Ends the belief in a router: it and its models leave every scrape. */
  remove(router: string): void;
  /** Unloads after which a load would be a reload: also of models that are not there, or not seen yet. */
  lastUnloads(): LastUnload[];
  /** Last unloads that an earlier process knew of: a load that follows soon is a reload-after-unload. */
  recall(unloads: readonly LastUnload[]): void;
  onTransition(listener: (transition: Transition) => void): () => void;
  /** Another number after every change of anything in the belief: for caches. */
  version(): number;
}

export function createStore(clock: Clock, rules: LifecycleRules): Store {
  const entries = new Map<string, RouterEntry>();
  const transitions = createListeners<Transition>();
  /** Last unloads of models that are not there: they matter as long as a load would be a reload. */
  const absent = new Map<string, LastUnload>();
  let version = 0;
  const changed = (transition?: Transition) => {
    version += 1;
    if (transition) transitions.tell(transition);
  };
  return {
    routers: () => [...entries.values()].map((entry) => entry.state),
    entry: (router) => entries.get(router),
    add(router, url) {
      if (entries.has(router)) throw new Error(`a router named ${router} is there already`);
      const entry = createRouterEntry(router, url, clock, rules, changed, {
        take(model) {
          const unload = absent.get(keyOf(router, model));
          absent.delete(keyOf(router, model));
          return unload;
        },
        keep: (model, unload) => keep(router, model, unload),
      });
      entries.set(router, entry);
      changed({ router, at: clock.now(), kind: 'router', change: 'added' });
      return entry;
    },
    remove(router) {
      const entry = entries.get(router);
      if (entry === undefined) return;
      // A router that is lost for a minute, as by DNS, may come back with what was unloaded loaded again.
      for (const { id, lifecycle } of entry.state.models.values()) keep(router, id, lifecycle.lastUnload);
      entries.delete(router);
      changed({ router, at: clock.now(), kind: 'router', change: 'removed' });
    },
    lastUnloads() {
      const present = [...entries.values()].flatMap(({ state }) =>
        [...state.models.values()].flatMap(({ id, lifecycle }) =>
          lifecycle.lastUnload ? [{ router: state.name, model: id, ...lifecycle.lastUnload }] : [],
        ),
      );
      return [...absent.values(), ...present]
        .filter((unload) => !isOld(unload))
        .map((unload) => ({ ...unload, at: clock.wall(unload.at) }));
    },
    recall(unloads) {
      for (const { at, ...of } of unloads) {
        const unload = { ...of, at: Math.min(clock.fromWall(at), clock.now()) };
        absent.set(keyOf(of.router, of.model), unload);
      }
    },
    onTransition: transitions.add,
    version: () => version,
  };

  function keep(
    router: string,
    model: string,
    unload: Omit<LastUnload, 'router' | 'model'> | undefined,
  ): void {
    absent.delete(keyOf(router, model));
    if (unload) absent.set(keyOf(router, model), { router, model, ...unload });
    // About in order of time: the first that is not old ends the search, also when thousands vanish at once.
    for (const [key, oldest] of absent) {
      if (!isOld(oldest)) break;
      absent.delete(key);
    }
  }

  function isOld({ at }: LastUnload): boolean {
    return at < clock.now() - rules.reloadWindowMs;
  }
}

function keyOf(router: string, model: string): string {
  return JSON.stringify([router, model]);
}

export function lastUnloadsPart(store: Store): StatePart<LastUnload[]> {
  return {
    name: 'lastUnloads',
    schema: z.array(savedUnload),
    snapshot: store.lastUnloads,
    restore: store.recall,
  };
}
