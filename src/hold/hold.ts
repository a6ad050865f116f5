import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import type { ModelState } from '../models/router-state.ts';
import { savedTime } from '../state/state-file.ts';

/** A hold in the state file, with wall times. */
export const savedHold = z.object({
  router: z.string(),
  /** When it began; extending a hold does not change it. */
  since: savedTime,
  until: savedTime,
  /** What the memory is needed for; may be empty. */
  reason: z.string(),
  /** The name of the caller who requested it. */
  by: z.string(),
  /** Whether idle models that are loaded during the hold are unloaded again. */
  enforce: z.boolean(),
});

/** Keeps the GPU memory of a router free until a time. Times are monotonic milliseconds. */
export type Hold = z.infer<typeof savedHold>;

export type HoldRequest = Omit<Hold, 'since'>;

/** Compares times: a timer may be late. */
export function isExpired(hold: Hold, now: number): boolean {
  return hold.until <= now;
}

/**
 * The hold of a router after a request. No caller weakens a hold that another one relies on: an earlier end changes
 * nothing, and a later one keeps the enforcement. Only an `explicit` request (not the side effect of an unload) of
 * the caller who placed the hold may shorten it or end its enforcement.
 */
export function placed(
  current: Hold | undefined,
  request: HoldRequest,
  explicit: boolean,
  now: number,
): Hold {
  if (current === undefined || isExpired(current, now)) return { ...request, since: now };
  const { since } = current;
  if (explicit && request.by === current.by) return { ...request, since };
  if (request.until <= current.until) return current;
  return { ...request, since, enforce: request.enforce || current.enforce };
}

/** The hold with wall times, for people and files. */
export function onWall(hold: Hold, clock: Clock): Hold {
  return { ...hold, since: clock.wall(hold.since), until: clock.wall(hold.until) };
}

/** A saved hold in monotonic time. It never lasts longer than requested, even if the wall clock was set since. */
export function fromSaved(saved: Hold, clock: Clock): Hold {
  const now = clock.now();
  const since = Math.min(now, clock.fromWall(saved.since));
  const longest = now + (saved.until - saved.since);
  return { ...saved, since, until: Math.min(clock.fromWall(saved.until), longest) };
}

/** `kept free until 14:05 UTC for training (requested by alice)`, of a hold with wall times. */
export function describeHold(hold: Pick<Hold, 'until' | 'reason' | 'by'>, now: number): string {
  const purpose = hold.reason === '' ? '' : ` for ${hold.reason}`;
  return `kept free until ${describeEnd(hold, now)}${purpose} (requested by ${hold.by})`;
}

/** `14:05 UTC`, with the date unless that is today. Rounded up to a minute, so that a retry is never too early. */
export function describeEnd({ until }: Pick<Hold, 'until'>, now: number): string {
  const [day = '', time = ''] = new Date(Math.ceil(until / 60_000) * 60_000).toISOString().split('T');
  const isToday = new Date(now).toISOString().startsWith(day);
  return `${isToday ? '' : `${day} `}${time.slice(0, 5)} UTC`;
}

/** Whether a client's request may go to a router now; if not, in how many whole seconds (at least 1), and why. */
export type GateDecision = { open: true } | { open: false; retryAfterSeconds: number; why: string };

/**
 * The gate of a router, for a request to this model if it is known. Only a loaded model passes during a hold:
 * waking a sleeping model takes memory, and what an unknown model needs is unknown.
 */
export function gateOf(hold: Hold | undefined, model: ModelState | undefined, clock: Clock): GateDecision {
  const now = clock.now();
  const isHeld = hold !== undefined && !isExpired(hold, now);
  if (!isHeld || model?.lifecycle.status === 'loaded') return { open: true };
  return {
    open: false,
    retryAfterSeconds: Math.max(1, Math.ceil((hold.until - now) / 1000)),
    why: `GPU memory of ${hold.router} is ${describeHold(onWall(hold, clock), clock.wall())}`,
  };
}
