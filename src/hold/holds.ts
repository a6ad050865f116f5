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

/** The holds of all routers, at most one each. Expired holds are never returned. */
export interface Holds {
  /** Returns the active hold, which may be an earlier one that lasts longer; see `placed` for `explicit`. */
  place(request: HoldRequest, explicit: boolean): Hold;
  /** Ends the hold of a router; undefined when there is none. */
  release(router: string, by: string): Hold | undefined;
  of(router: string): Hold | undefined;
  all(): Hold[];
  onChange(listener: (change: HoldChange) => void): () => void;
  /** All holds with wall times. */
  snapshot(): Hold[];
  /** Adds saved holds that have not expired, without reporting a change. */
  restore(saved: readonly Hold[]): void;
  /** Cancels the timer. */
  stop(): void;
}

export function createHolds(clock: Clock): Holds {
  const holds = new Map<string, Hold>();
  const changes = createListeners<HoldChange>();
  let cancelTimer = () => {};

  const all = () => [...holds.values()].filter((hold) => !isExpired(hold, clock.now()));

  return {
    place(request, explicit) {
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
    release(router, by) {
      removeExpired();
      const hold = holds.get(router);
      if (hold === undefined) return undefined;
      holds.delete(router);
      changes.notify({ kind: 'released', hold, by });
      removeExpired();
      return hold;
    },
    of(router) {
      const hold = holds.get(router);
      return hold && !isExpired(hold, clock.now()) ? hold : undefined;
    },
    all,
    onChange: changes.add,
    snapshot: () => all().map((hold) => onWall(hold, clock)),
    restore(saved) {
      const restored = saved.map((hold) => fromSaved(hold, clock));
      for (const hold of restored) if (!isExpired(hold, clock.now())) holds.set(hold.router, hold);
      removeExpired();
    },
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

export function holdsPart(holds: Holds): StatePart<Hold[]> {
  return { name: 'holds', schema: z.array(savedHold), snapshot: holds.snapshot, restore: holds.restore };
}
