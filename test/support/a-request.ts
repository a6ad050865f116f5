import { createConfigSource } from '../../src/config/source.ts';
import { guardRules } from '../../src/unload/guards.ts';
import type { LoadRequest, Selection, UnloadRequest } from '../../src/unload/request.ts';

/** A person's request for every model on every router, except for the given fields. */
export function aRequest({
  models = [],
  keep = [],
  idleForMs,
  gpus,
  target,
  ...wish
}: Partial<Omit<UnloadRequest, 'selection'> & Selection> = {}): UnloadRequest {
  return {
    trigger: 'api',
    caller: { name: 'alice' },
    reason: 'memory is needed',
    routers: [],
    selection: { models, keep, idleForMs, gpus, target },
    whenBusy: 'wait',
    busyTimeoutMs: 300_000,
    timeoutMs: 60_000,
    verify: true,
    dryRun: false,
    ...wish,
  };
}

/** The default configuration of guards. */
export const GUARD_RULES = guardRules(createConfigSource({ env: {}, flags: {} }).current);

/** A person's request to load these models, except for the given fields. */
export function aLoadRequest(wish: Partial<LoadRequest> = {}): LoadRequest {
  return {
    trigger: 'api',
    caller: { name: 'alice' },
    reason: '',
    routers: [],
    models: [],
    timeoutMs: 600_000,
    dryRun: false,
    ...wish,
  };
}
