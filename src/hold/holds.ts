import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../lib/clock.ts';
import { keepLatest } from '../lib/keep-latest.ts';
import { createListeners } from '../lib/listeners.ts';
import { fromSaved, type Hold, type HoldRequest, isStanding, onWall, savedHold } from './hold.ts';

/** What happened to a hold; `hold` is as it was then. */
export interface HoldChange {
  kind: 'placed' | 'renewed' | 'active' | 'failed' | 'expired' | 'released';
  hold: Hold;
  /** Who released it. */
  by?: string | undefined;
}

export type Holds = ReturnType<typeof createHolds>;

/** A hold that has ended or failed, and when. */
export interface EndedHold {
  readonly hold: Hold;
  readonly at: number;
}

/** Holds that have ended and can still be looked up. */
const MAX_ENDED = 100;

/** The holds on all routers. */
export function createHolds(clock: Clock) {
  /** Standing holds, and those that have ended since the last look. */
  const holds = new Map<string, Hold>();
  /** With the time of their end; the oldest first. */
  const ended = new Map<string, EndedHold>();
  const changes = createListeners<HoldChange>();
  let cancelTimer = () => {};

  const standing = () => [...holds.values()].filter((hold) => isStanding(hold, clock.now()));

  return {
    /** Places a hold; it is `active` at once when nothing is to be freed or measured for it. */
    place(request: HoldRequest): Hold {
      const isReady = request.unload === 'none' && request.needBytes === undefined;
      const hold: Hold = {
        ...request,
        id: randomUUID(),
        since: clock.now(),
        state: isReady ? 'active' : 'preparing',
      };
      holds.set(hold.id, hold);
      changes.notify({ kind: 'placed', hold });
      removeExpired();
      return hold;
    },
    /** Changes the end of a standing hold; undefined when it does not stand. */
    renew(id: string, until: number): Hold | undefined {
      const hold = change(id, { until });
      if (hold) changes.notify({ kind: 'renewed', hold });
      removeExpired();
      return hold;
    },
    /** Notes which operation unloads for a hold. */
    setOperation: (id: string, operation: string): Hold | undefined => change(id, { operation }),
    /** Ends the preparation of a hold; `why` it failed, if it did. Nothing happens when it has ended meanwhile. */
    finishPreparation(id: string, why: string | undefined): void {
      if (holds.get(id)?.state !== 'preparing') return;
      if (why !== undefined) return end(id, 'failed', { why });
      const hold = change(id, { state: 'active' });
      if (hold) changes.notify({ kind: 'active', hold });
    },
    /** Ends a hold; undefined when it does not stand. */
    release(id: string, by: string): Hold | undefined {
      if (find(id) === undefined) return undefined;
      end(id, 'released', { by });
      return ended.get(id)?.hold;
    },
    /** The standing holds on this router, in the order in which they were placed. */
    on: (router: string): Hold[] => standing().filter(({ routers }) => routers.includes(router)),
    /** All standing holds, in the order in which they were placed. */
    all: standing,
    /** The holds on this router that failed lately, the oldest first. */
    failedOn: (router: string): EndedHold[] =>
      [...ended.values()].filter(({ hold }) => hold.state === 'failed' && hold.routers.includes(router)),
    /** The hold with this id, if it stands. */
    find,
    /** A standing hold, or one that ended lately. */
    get(id: string): Hold | undefined {
      removeExpired();
      return holds.get(id) ?? ended.get(id)?.hold;
    },
    onChange: changes.add,
    /** All standing holds with wall times. */
    snapshot: () => standing().map((hold) => onWall(hold, clock)),
    /** Adds saved holds, without reporting a change: those that have expired meanwhile expire now. */
    restore(saved: readonly Hold[]): void {
      for (const each of saved) holds.set(each.id, fromSaved(each, clock));
    },
    /** Reports the holds that expired while no process ran, and from now on each at its end. */
    start: removeExpired,
    /** Cancels the timer. */
    stop: () => cancelTimer(),
  };

  function find(id: string): Hold | undefined {
    const hold = holds.get(id);
    return hold && isStanding(hold, clock.now()) ? hold : undefined;
  }

  function change(id: string, fields: Partial<Hold>): Hold | undefined {
    const hold = find(id);
    if (hold === undefined) return undefined;
    const changed = { ...hold, ...fields };
    holds.set(id, changed);
    return changed;
  }

  function end(
    id: string,
    kind: 'failed' | 'expired' | 'released',
    { why, by }: { why?: string; by?: string } = {},
  ): void {
    const standing = holds.get(id);
    if (standing === undefined) return;
    const hold: Hold = { ...standing, state: kind === 'failed' ? 'failed' : 'ended', why };
    holds.delete(id);
    keepLatest(ended, id, { hold, at: clock.now() }, MAX_ENDED);
    changes.notify({ kind, hold, by });
    removeExpired();
  }

  /** Reports expired holds and sets the timer for the next end. */
  function removeExpired(): void {
    for (const { id, until } of [...holds.values()]) {
      if (until <= clock.now()) end(id, 'expired');
    }
    cancelTimer();
    const ends = [...holds.values()].map(({ until }) => until - clock.now());
    cancelTimer = ends.length === 0 ? () => {} : clock.after(Math.min(...ends), removeExpired);
  }
}

export const HOLDS = { name: 'holds', schema: z.array(savedHold) };
