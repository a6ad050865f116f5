import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Operations } from '../unload/operations.ts';
import { isUnload, type UnloadRequest } from '../unload/request.ts';
import type { Holds } from './holds.ts';

/** After a shorter operation, the hold from its begin is left as it is. */
const EXTEND_AFTER_SECONDS = 1;

/**
 * Places the holds that unloads ask for (`hold_seconds`), one per caller and router: a later unload renews it. A hold
 * starts when the operation begins on the router, so that no client takes memory that was just freed, and lasts its full
 * time from the end of the operation, unless it was released meanwhile.
 */
export function holdForOperations(
  operations: Pick<Operations, 'onBegin' | 'onEnd'>,
  holds: Holds,
  config: () => Config['hold'],
  clock: Clock,
): void {
  /** The id of the hold by router and caller. */
  const placed = new Map<string, string>();

  operations.onBegin(({ router, request }) => {
    if (request.holdMs === undefined) return;
    for (const [key, id] of placed) if (!holds.find(id)) placed.delete(key);
    const { caller: by, trigger, reason, whenBusy } = request;
    const { max, enforce } = config();
    const key = keyOf(router, request);
    const until = clock.now() + Math.min(request.holdMs, max * 1000);
    if (placed.has(key)) return prolong(key, until);
    const terms = { unload: 'none', whenBusy, restore: false, enforce } as const;
    const { id } = holds.place({ routers: [router], holder: by.name, by, trigger, reason, until, ...terms });
    placed.set(key, id);
  });
  operations.onEnd(({ operation: { routers, dry_run, duration_seconds }, request }) => {
    if (dry_run || duration_seconds < EXTEND_AFTER_SECONDS) return;
    if (!isUnload(request) || request.holdMs === undefined) return;
    const until = clock.now() + Math.min(request.holdMs, config().max * 1000);
    for (const { router, refused, fault } of routers) {
      if (!refused && !fault) prolong(keyOf(router, request), until);
    }
  });

  function prolong(key: string, until: number): void {
    const hold = holds.find(placed.get(key) ?? '');
    if (hold && hold.until < until) holds.renew(hold.id, until);
  }
}

function keyOf(router: string, { caller, trigger }: UnloadRequest): string {
  return JSON.stringify([router, trigger, caller.name]);
}
