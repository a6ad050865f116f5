import type { Holds } from './holds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Operations } from '../unload/operations.ts';
import type { UnloadRequest } from '../unload/request.ts';

/** A hold that is short by so little is not placed anew. */
const NOT_WORTH_A_WORD_SECONDS = 1;

/**
 * Keeps memory free after operations that ask for it: from their beginning on a router, so that nobody takes what
 * has just become free, and for the whole time once they have ended. One that was released in the meantime does not
 * come back: who gave up waiting does not want it any more. `rules.max` in seconds.
 */
export function holdAround(
  operations: Operations,
  holds: Holds,
  rules: () => { max: number; enforce: boolean },
  clock: Clock,
): void {
  /** When the hold of a router was last released, since an operation placed it. */
  const released = new Map<string, number>();
  const hold = (router: string, { holdMs, reason, caller }: UnloadRequest) => {
    if (holdMs === undefined) return;
    const { max, enforce } = rules();
    const until = clock.now() + Math.min(holdMs, max * 1000);
    holds.place({ router, until, reason, by: caller.name, enforce }, false);
  };
  holds.onChange(({ kind, hold: { router } }) => {
    if (kind === 'released') released.set(router, clock.now());
  });
  operations.onBegin((router, request) => {
    if (request.holdMs !== undefined) released.delete(router);
    hold(router, request);
  });
  operations.onEnd(({ routers, dry_run, started_at, duration_seconds }, request) => {
    if (duration_seconds < NOT_WORTH_A_WORD_SECONDS) return;
    for (const { router, refused, fault } of routers) {
      const givenUp = (released.get(router) ?? 0) >= Date.parse(started_at);
      if (!dry_run && !refused && !fault && !givenUp) hold(router, request);
    }
  });
}
