import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../models/store.ts';
import type { Operations } from '../unload/operations.ts';
import type { UnloadRequest } from '../unload/request.ts';
import type { Holds } from './holds.ts';

/** After a shorter operation, the hold from its begin is left as it is. */
const EXTEND_AFTER_SECONDS = 1;

/**
 * Places the holds that operations ask for. A hold starts when the operation begins on the router, so that no client
 * takes memory that was just freed, and lasts its full time from the end of the operation. A hold that was released
 * during the operation is not placed again.
 */
export function holdForOperations(
  operations: Pick<Operations, 'onBegin' | 'onEnd'>,
  holds: Holds,
  store: Pick<Store, 'onTransition'>,
  config: () => Config['hold'],
  clock: Clock,
): void {
  /** Routers whose hold was released since the last operation placed one. */
  const released = new Set<string>();

  function place(router: string, { holdMs, reason, caller }: UnloadRequest): void {
    if (holdMs === undefined) return;
    const { max, enforce } = config();
    const until = clock.now() + Math.min(holdMs, max * 1000);
    holds.place({ router, until, reason, by: caller.name, enforce }, false);
  }

  holds.onChange(({ kind, hold }) => {
    if (kind === 'released') released.add(hold.router);
  });
  store.onTransition((transition) => {
    if (transition.kind === 'router' && transition.change === 'removed') released.delete(transition.router);
  });
  operations.onBegin((router, request) => {
    if (request.holdMs !== undefined) released.delete(router);
    place(router, request);
  });
  operations.onEnd(({ routers, dry_run, duration_seconds }, request) => {
    if (dry_run || duration_seconds < EXTEND_AFTER_SECONDS) return;
    for (const { router, refused, fault } of routers) {
      if (!refused && !fault && !released.has(router)) place(router, request);
    }
  });
}
