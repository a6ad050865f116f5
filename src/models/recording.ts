import { isDeepStrictEqual } from 'node:util';
import { isRunning } from './feed.ts';
import { settleReason, vanish } from './lifecycle.ts';
import type { Change, ModelState, RouterState } from './router-state.ts';
import type { Store } from './store.ts';
import { causeOfReload, forgetRequests } from './usage.ts';

/**
 * How long an unload on a full router waits for the load that makes it an eviction. Between the two events the router
 * starts a process, which took at most 17 ms in 200 evictions on b11669 with both cores loaded.
 */
const EVICTION_WINDOW_MS = 250;

/** Stores a model without what does not apply any more: a finished download, the activity of an ended process. */
export function replace(store: Store, router: RouterState, model: ModelState): void {
  const { id, lifecycle, download, activity } = model;
  const pending = lifecycle.pendingReason;
  if (pending && pending !== router.models.get(id)?.lifecycle.pendingReason) {
    store.clock.after(EVICTION_WINDOW_MS, () => {
      const isPending = router.models.get(id)?.lifecycle.pendingReason === pending;
      if (isPending && store.router(router.name) === router) settle(store, router, id, false);
    });
  }
  const isAsleep = lifecycle.status === 'sleeping';
  const current = isRunning(lifecycle.known) ? activity : undefined;
  const next: ModelState = {
    ...model,
    download: lifecycle.status === 'downloading' ? download : undefined,
    activity: current && isAsleep ? { ...current, busy: false } : current,
  };
  // Most listings change nothing: what depends on the model need not be made again.
  if (!isDeepStrictEqual(next, router.models.get(id))) router.models.set(id, next);
}

export function remove(store: Store, router: RouterState, model: ModelState, at: number): void {
  const { lifecycle, changes } = vanish(model.lifecycle, at);
  router.models.delete(model.id);
  store.keepLastUnload(router.name, model.id, lifecycle.lastUnload);
  publish(store, router, model.id, at, changes);
}

export function publish(
  store: Store,
  router: RouterState,
  model: string,
  at: number,
  changes: Change[],
): void {
  for (const change of changes) {
    const transition = { router: router.name, at, kind: 'model', model, change } as const;
    const { durationSeconds, reload } = change.kind === 'loaded' ? change : {};
    const cause = reload && causeOfReload(store.requests, transition, reload.afterSeconds, durationSeconds);
    store.publish({ ...transition, cause });
    if (change.kind === 'loaded') forgetRequests(store, transition);
  }
}

/**
 * A model starts: on a full router, the oldest pending unload made room for it; a server with rules may have unloaded
 * several for it.
 */
export function settleReasons(store: Store, router: RouterState, starting: string): void {
  // A model that comes back itself was not evicted.
  if (router.models.get(starting)?.lifecycle.pendingReason) return;
  const pending = [...router.models.values()]
    .flatMap(({ id, lifecycle: { pendingReason } }) => (pendingReason ? [{ id, at: pendingReason.at }] : []))
    .sort((a, b) => a.at - b.at);
  const evicted = router.traits.evictsBy === 'rules' ? pending : pending.slice(0, 1);
  for (const { id } of evicted) settle(store, router, id, true);
}

function settle(store: Store, router: RouterState, id: string, evicted: boolean): void {
  const model = router.models.get(id);
  const pending = model?.lifecycle.pendingReason;
  if (model === undefined || pending === undefined) return;
  const { lifecycle, changes } = settleReason(model.lifecycle, evicted);
  replace(store, router, { ...model, lifecycle });
  publish(store, router, id, pending.at, changes);
}
