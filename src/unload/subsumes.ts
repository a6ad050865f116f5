import { isDeepStrictEqual } from 'node:util';
import { compareWhenBusy } from '../config/when-busy.ts';
import type { RouterState } from '../models/router-state.ts';
import type { LiveOperation } from './operation.ts';
import { planUnload } from './plan.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';

/** What somebody asks of one router, its configured keep list included. */
export interface Asked {
  state: Readonly<RouterState>;
  request: UnloadRequest;
}

/**
 * Whether an operation that is under way does all that is asked, so that nothing is lost by joining it: on every
 * router it has yet to unload each model that would be unloaded now, and is at least as determined with busy ones.
 */
export function subsumes(live: LiveOperation, asked: readonly Asked[], now: number): boolean {
  if (live.finished || live.request.dryRun || asked.length === 0) return false;
  return asked.every(({ state, request }) => {
    const isOnIt = live.request.routers.length === 0 || live.request.routers.includes(state.name);
    if (!isOnIt || !isAsDetermined(live.request, request)) return false;
    const pending = live.pending(state.name);
    // Not planned yet: it will plan on what is there then, and so would the other, if no guard refuses it.
    if (pending === undefined)
      return mayNotBeRefused(live.request, request) && sameWish(live.request, request);
    return planUnload([...state.models.values()], request.selection, now).unload.every((model) =>
      pending.includes(model),
    );
  });
}

function isAsDetermined(live: UnloadRequest, asked: UnloadRequest): boolean {
  return (
    compareWhenBusy(live.whenBusy, asked.whenBusy) >= 0 &&
    live.verify >= asked.verify &&
    (live.holdMs ?? 0) >= (asked.holdMs ?? 0)
  );
}

function mayNotBeRefused(live: UnloadRequest, asked: UnloadRequest): boolean {
  return isAutomatic(asked.trigger) || !isAutomatic(live.trigger);
}

function sameWish(live: UnloadRequest, asked: UnloadRequest): boolean {
  const { keep: _, ...liveSelection } = live.selection;
  const { keep: __, ...askedSelection } = asked.selection;
  const keeps = live.selection.keep.every((pattern) => asked.selection.keep.includes(pattern));
  return keeps && isDeepStrictEqual(liveSelection, askedSelection);
}
