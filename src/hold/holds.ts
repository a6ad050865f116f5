import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import { fromSaved, type Hold, isOver, onWall, placed, savedHold, type Wish } from './hold.ts';

/** What became of a hold. One that is lengthened or shortened is placed anew. */
export type HoldChange =
  | { kind: 'placed'; hold: Hold }
  | { kind: 'released'; hold: Hold; by: string }
  | { kind: 'expired'; hold: Hold };

/** The holds of all routers, at most one of each. A hold that is over is none, also before that was told. */
export interface Holds {
  /** Answers the hold that is now in force, which may be a longer one that stood already: see `placed`. */
  place(wish: Wish, explicit: boolean): Hold;
  /** Ends the hold of a router; undefined when there was none. */
  release(router: string, by: string): Hold | undefined;
  of(router: string): Hold | undefined;
  all(): Hold[];
  /** All, with wall times, to be given to `restore` of a later process. */
  snapshot(): Hold[];
  /** Another number after every change. */
  version(): number;
  onChange(listener: (news: HoldChange) => void): () => void;
  /** Takes over what an earlier process held; what ended in the meantime is left out. Tells nobody. */
  restore(saved: readonly Hold[]): void;
  /** Waits for no end any more. */
  stop(): void;
}

export function createHolds(clock: Clock): Holds {
  const standing = new Map<string, Hold>();
  const news = createListeners<HoldChange>();
  let version = 0;
  /** The one alarm: for the next end. */
  let cancel = () => {};

  const all = () => [...standing.values()].filter((hold) => !isOver(hold, clock.now()));

  return {
    place(wish, explicit) {
      look();
      const before = standing.get(wish.router);
      const hold = placed(before, wish, explicit, clock.now());
      if (hold !== before) {
        set(hold);
        news.tell({ kind: 'placed', hold });
      }
      look();
      return hold;
    },
    release(router, by) {
      look();
      const hold = standing.get(router);
      if (hold === undefined) return undefined;
      drop(hold);
      news.tell({ kind: 'released', hold, by });
      look();
      return hold;
    },
    of(router) {
      const hold = standing.get(router);
      return hold === undefined || isOver(hold, clock.now()) ? undefined : hold;
    },
    all,
    snapshot: () => all().map((hold) => onWall(hold, clock)),
    version: () => version,
    onChange: news.add,
    restore(saved) {
      for (const hold of saved.map((each) => fromSaved(each, clock)))
        if (!isOver(hold, clock.now())) set(hold);
      look();
    },
    stop: () => cancel(),
  };

  /** Tells of what is over, and sets the alarm for the next end. */
  function look(): void {
    const now = clock.now();
    for (const hold of [...standing.values()]) {
      if (!isOver(hold, now)) continue;
      drop(hold);
      news.tell({ kind: 'expired', hold });
    }
    cancel();
    const next = Math.min(...[...standing.values()].map(({ until }) => until - now));
    cancel = standing.size === 0 ? () => {} : clock.after(next, look);
  }

  function set(hold: Hold): void {
    standing.set(hold.router, hold);
    version += 1;
  }

  function drop({ router }: Hold): void {
    standing.delete(router);
    version += 1;
  }
}

export function holdsPart(holds: Holds): StatePart<Hold[]> {
  return { name: 'holds', schema: z.array(savedHold), snapshot: holds.snapshot, restore: holds.restore };
}
