import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import { fromSaved, type Hold, type HoldRequest, isExpired, onWall, placed, savedHold } from './hold.ts';

/** Extending or shortening a hold is `placed` too. */
export type HoldChange =
  | { kind: 'placed'; hold: Hold }
  | { kind: 'released'; hold: Hold; by: string }
  | { kind: 'expired'; hold: Hold };

export type Holds = ReturnType<typeof createHolds>;

/** The holds of all routers, at most one each. Expired holds are never returned. */
export function createHolds(clock: Clock) {
  const holds = new Map<string, Hold>();
  const changes = createListeners<HoldChange>();
  let cancelTimer = () => {};

  const all = () => [...holds.values()].filter((hold) => !isExpired(hold, clock.now()));

  return {
    /** Returns the active hold, which may be an earlier one that lasts longer; see `placed` for `explicit`. */
    place(request: HoldRequest, explicit: boolean): Hold {
      removeExpired();
      const current = holds.get(request.router);
      const hold = placed(current, request, explicit, clock.now());
      if (hold !== current) {
        holds.set(hold.router, hold);
        changes.notify({ kind: 'placed', hold });
      }
      removeExpired();
      return hold;
    },
    /** Ends the hold of a router; undefined when there is none. */
    release(router: string, by: string): Hold | undefined {
      removeExpired();
      const hold = holds.get(router);
      if (hold === undefined) return undefined;
      holds.delete(router);
      changes.notify({ kind: 'released', hold, by });
      removeExpired();
      return hold;
    },
    of(router: string): Hold | undefined {
      const hold = holds.get(router);
      return hold && !isExpired(hold, clock.now()) ? hold : undefined;
    },
    all,
    onChange: changes.add,
    /** All holds with wall times. */
    snapshot: () => all().map((hold) => onWall(hold, clock)),
    /** Adds saved holds that have not expired, without reporting a change. */
    restore(saved: readonly Hold[]): void {
      const restored = saved.map((hold) => fromSaved(hold, clock));
      for (const hold of restored) if (!isExpired(hold, clock.now())) holds.set(hold.router, hold);
      removeExpired();
    },
    /** Cancels the timer. */
    stop: () => cancelTimer(),
  };

  /** Reports expired holds and sets the timer for the next end. */
  function removeExpired(): void {
    const now = clock.now();
    for (const hold of [...holds.values()]) {
      if (!isExpired(hold, now)) continue;
      holds.delete(hold.router);
      changes.notify({ kind: 'expired', hold });
    }
    cancelTimer();
    const ends = [...holds.values()].map(({ until }) => until - now);
    cancelTimer = ends.length === 0 ? () => {} : clock.after(Math.min(...ends), removeExpired);
  }
}

export const HOLDS = { name: 'holds', schema: z.array(savedHold) };

export function holdsPart(holds: Holds): StatePart<Hold[]> {
  return { ...HOLDS, snapshot: holds.snapshot, restore: holds.restore };
}
