import type { Clock } from '../lib/clock.ts';
import type { Operations } from '../unload/operations.ts';
import type { UnloadRequest } from '../unload/request.ts';
import type { Holds } from './holds.ts';

/** A hold that is short by so little is not placed anew. */
const NOT_WORTH_A_WORD_SECONDS = 1;

/**
 * Keeps memory free after operations that ask for it: from their beginning on a router, so that nobody takes what
 * has just become free, and for the whole time once they have ended. One that was released in the meantime does not
 * come back: who gave up waiting does not want it any more. `rules.max` in seconds.
 */
export function holdForOperations(
  operations: Operations,
  holds: Holds,
  rules: () => { max: number; enforce: boolean },
  clock: Clock,
): void {
  /** Routers whose hold was released since an operation placed it. */
  const released = new Set<string>();
  const hold = (router: string, { holdMs, reason, caller }: UnloadRequest) => {
    if (holdMs === undefined) return;
    const { max, enforce } = rules();
    const until = clock.now() + Math.min(holdMs, max * 1000);
    holds.place({ router, until, reason, by: caller.name, enforce }, false);
  };
  holds.onChange(({ kind, hold: { router } }) => {
    if (kind === 'released') released.add(router);
  });
  operations.onBegin((router, request) => {
    if (request.holdMs !== undefined) released.delete(router);
    hold(router, request);
  });
  operations.onEnd(({ routers, dry_run, duration_seconds }, request) => {
    if (duration_seconds < NOT_WORTH_A_WORD_SECONDS) return;
    for (const { router, refused, fault } of routers) {
      if (!dry_run && !refused && !fault && !released.has(router)) hold(router, request);
    }
  });
}
