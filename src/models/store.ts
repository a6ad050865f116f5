import * as z from 'zod';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import { savedTime } from '../state/state-file.ts';
import { type Lifecycle, type RouterState, type Transition, UNLOAD_REASONS } from './router-state.ts';
import { ROUTER_TRAITS } from './server-traits.ts';
import type { LifecycleRules } from './status-change.ts';
import type { ReportedRequest } from './usage.ts';

/** The last unload of a model. `at` is wall time in the state file, else monotonic; milliseconds. */
const savedUnload = z.object({
  router: z.string(),
  model: z.string(),
  at: savedTime,
  reason: z.enum(UNLOAD_REASONS),
  forced: z.literal(true).optional(),
});

export type SavedUnload = z.infer<typeof savedUnload>;

export type Store = ReturnType<typeof createStore>;

/** The observed state of all routers and models. The functions in observations.ts update the models. */
export function createStore(clock: Clock, rules: LifecycleRules) {
  const routers = new Map<string, RouterState>();
  const transitions = createListeners<Transition>();
  /** Last unloads of absent models, roughly the oldest first. */
  const kept = new Map<string, SavedUnload>();
  return {
    clock,
    rules,
    /** Reported requests for models, the oldest first; see usage.ts. */
    requests: [] as readonly ReportedRequest[],
    /** All routers, in the order in which they were added. */
    routers: (): readonly Readonly<RouterState>[] => [...routers.values()],
    router: (name: string) => routers.get(name),
    /** Throws when the name is taken: the configuration does not allow that. */
    add(name: string, url: string): RouterState {
      if (routers.has(name)) throw new Error(`a router named ${name} exists already`);
      const router: RouterState = {
        name,
        url,
        up: undefined,
        malformed: [],
        stream: 'connecting',
        engineMetrics: 'unknown',
        readMode: 'auto',
        traits: ROUTER_TRAITS,
        props: {},
        buildClass: 'unknown',
        models: new Map(),
      };
      routers.set(name, router);
      transitions.notify({ router: name, at: clock.now(), kind: 'router', change: 'added' });
      return router;
    },
    /** Removes a router and its models from every scrape. Its last unloads are kept: it may come back. */
    remove(name: string): void {
      const router = routers.get(name);
      if (router === undefined) return;
      for (const { id, lifecycle } of router.models.values()) {
        keepLastUnload(name, id, lifecycle.lastUnload);
      }
      routers.delete(name);
      transitions.notify({ router: name, at: clock.now(), kind: 'router', change: 'removed' });
    },
    publish: transitions.notify,
    onTransition: transitions.add,
    /** The last unloads after which a load would be a reload, of absent models too. In wall time. */
    lastUnloads(): SavedUnload[] {
      const present = [...routers.values()].flatMap(({ name, models }) =>
        [...models.values()].flatMap(({ id, lifecycle: { lastUnload } }) =>
          lastUnload ? [{ router: name, model: id, ...lastUnload }] : [],
        ),
      );
      return [...kept.values(), ...present]
        .filter((unload) => !isOld(unload))
        .map((unload) => ({ ...unload, at: clock.wall(unload.at) }));
    },
    /** Restores last unloads of an earlier process. */
    restoreLastUnloads(unloads: readonly SavedUnload[]): void {
      for (const unload of unloads) {
        const at = Math.min(clock.fromWall(unload.at), clock.now());
        kept.set(keyOf(unload.router, unload.model), { ...unload, at });
      }
    },
    keepLastUnload,
    /** Takes out the kept last unload of a model that has appeared: from now on its state has it. */
    takeLastUnload(router: string, model: string): Lifecycle['lastUnload'] {
      const unload = kept.get(keyOf(router, model));
      kept.delete(keyOf(router, model));
      return unload && { at: unload.at, reason: unload.reason, forced: unload.forced };
    },
  };

  /** Keeps the last unload of a model that is not listed any more. */
  function keepLastUnload(router: string, model: string, unload: Lifecycle['lastUnload']): void {
    const key = keyOf(router, model);
    kept.delete(key);
    if (unload) kept.set(key, { router, model, ...unload });
    // Stopping at the first recent one keeps this cheap when thousands of models vanish at once.
    for (const [old, oldest] of kept) {
      if (!isOld(oldest)) break;
      kept.delete(old);
    }
  }

  function isOld({ at }: SavedUnload): boolean {
    return at < clock.now() - rules.reloadWindowMs;
  }
}

function keyOf(router: string, model: string): string {
  return JSON.stringify([router, model]);
}

export const LAST_UNLOADS = { name: 'lastUnloads', schema: z.array(savedUnload) };

export function lastUnloadsPart(store: Store): StatePart<SavedUnload[]> {
  return {
    ...LAST_UNLOADS,
    snapshot: store.lastUnloads,
    restore: store.restoreLastUnloads,
  };
}
