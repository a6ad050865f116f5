import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { savedTime } from '../lib/saved-time.ts';

/** A router's memory is to stay free for a while. Times are monotonic milliseconds, but wall time in the state file. */
export const savedHold = z.object({
  router: z.string(),
  /** When it began; a hold that is lengthened keeps its beginning. */
  since: savedTime,
  until: savedTime,
  /** What the memory is wanted for, in somebody's words; may be empty. */
  reason: z.string(),
  /** Who asked for it. */
  by: z.string(),
  /** A model that is loaded all the same, and is idle, is to be unloaded again. */
  enforce: z.boolean(),
});

export type Hold = z.infer<typeof savedHold>;

/** What somebody wants held. */
export type Wish = Omit<Hold, 'since'>;

/** Decided by the time, not by a timer, which may be late. */
export function isOver(hold: Hold, now: number): boolean {
  return hold.until <= now;
}

/**
 * The hold that is in force once somebody has wished for one. Nobody weakens what another relies on: a wish that
 * ends earlier changes nothing, one that ends later keeps the enforcement. Only who placed a hold, and says so
 * himself (`explicit`: not as a side effect of an unload), also shortens it or takes its enforcement back.
 */
export function placed(standing: Hold | undefined, wish: Wish, explicit: boolean, now: number): Hold {
  if (standing === undefined || isOver(standing, now)) return { ...wish, since: now };
  const { since } = standing;
  if (explicit && wish.by === standing.by) return { ...wish, since };
  if (wish.until <= standing.until) return standing;
  return { ...wish, since, enforce: wish.enforce || standing.enforce };
}

/** The hold with its times as people and files see them: milliseconds since the epoch. */
export function onWall(hold: Hold, clock: Clock): Hold {
  return { ...hold, since: clock.wall(hold.since), until: clock.wall(hold.until) };
}

/** A saved hold, in monotonic time. It never lasts longer than it was placed for, whatever happened to the clock. */
export function fromSaved(saved: Hold, clock: Clock): Hold {
  const now = clock.now();
  const since = Math.min(now, clock.fromWall(saved.since));
  return { ...saved, since, until: Math.min(clock.fromWall(saved.until), now + (saved.until - saved.since)) };
}

/** Of a hold on wall time: `kept free until 14:05 UTC for training (asked by alice)`. */
export function describeHold(hold: Pick<Hold, 'until' | 'reason' | 'by'>, now: number): string {
  const { reason, by } = hold;
  return `kept free until ${describeEnd(hold, now)}${reason && ` for ${reason}`} (asked by ${by})`;
}

/** `14:05 UTC`, with the date when that is another day; rounded up, so that nobody comes too early. */
export function describeEnd({ until }: Pick<Hold, 'until'>, now: number): string {
  const [day = '', time = ''] = new Date(Math.ceil(until / 60_000) * 60_000).toISOString().split('T');
  const today = new Date(now).toISOString().startsWith(day);
  return `${today ? '' : `${day} `}${time.slice(0, 5)} UTC`;
}
