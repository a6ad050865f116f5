import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { RouterBelief, Transition } from './belief.ts';
import type { LifecycleRules } from './life.ts';
import { createRouterDesk, type RouterDesk } from './router-desk.ts';
import type { UnloadReason } from './status.ts';

/** The last unload of a model. `at` in milliseconds since the epoch. */
export interface LastUnload {
  router: string;
  model: string;
  at: number;
  reason: UnloadReason;
}

/** The belief about every router and model, and the news of its changes. */
export interface Store {
  /** All routers, in the order in which they were added. */
  routers(): readonly Readonly<RouterBelief>[];
  desk(router: string): RouterDesk | undefined;
  /** Starts to believe in a router. Throws when the name is taken: the configuration forbids it. */
  add(router: string, url: string): RouterDesk;
  /** Ends the belief in a router: it and its models leave every scrape. */
  remove(router: string): void;
  /** When each model was last unloaded, and why: also of models that have not been seen since `recall`. */
  lastUnloads(): LastUnload[];
  /** Last unloads that an earlier process knew of: a load that follows soon is a reload-after-unload. */
  recall(unloads: readonly LastUnload[]): void;
  onTransition(listener: (transition: Transition) => void): () => void;
  /** Another number after every change of anything in the belief: for caches. */
  version(): number;
}

export function createStore(clock: Clock, rules: LifecycleRules): Store {
  const desks = new Map<string, RouterDesk>();
  const transitions = createListeners<Transition>();
  const recalled = new Map<string, LastUnload>();
  let version = 0;
  const changed = (transition?: Transition) => {
    version += 1;
    if (transition) transitions.tell(transition);
  };
  return {
    routers: () => [...desks.values()].map((desk) => desk.belief),
    desk: (router) => desks.get(router),
    add(router, url) {
      if (desks.has(router)) throw new Error(`a router named ${router} is there already`);
      const desk = createRouterDesk(router, url, clock, rules, changed, (model) =>
        recalled.get(keyOf(router, model)),
      );
      desks.set(router, desk);
      changed({ router, at: clock.now(), kind: 'router', change: 'added' });
      return desk;
    },
    remove(router) {
      if (desks.delete(router)) changed({ router, at: clock.now(), kind: 'router', change: 'removed' });
    },
    lastUnloads() {
      const all = new Map(recalled);
      for (const { belief } of desks.values()) {
        for (const { id, life } of belief.models.values()) {
          if (life.lastUnload)
            all.set(keyOf(belief.name, id), { router: belief.name, model: id, ...life.lastUnload });
        }
      }
      const oldest = clock.now() - rules.reloadWindowMs;
      return [...all.values()].filter(({ at }) => at >= oldest);
    },
    recall(unloads) {
      for (const unload of unloads) recalled.set(keyOf(unload.router, unload.model), unload);
    },
    onTransition: transitions.add,
    version: () => version,
  };
}

function keyOf(router: string, model: string): string {
  return JSON.stringify([router, model]);
}
