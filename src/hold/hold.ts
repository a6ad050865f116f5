import * as z from 'zod';
import { WHEN_BUSY } from '../config/when-busy.ts';
import type { Clock } from '../lib/clock.ts';
import type { ModelState } from '../models/router-state.ts';
import { savedTime } from '../state/state-file.ts';
import type { Refusal } from '../unload/report.ts';
import { caller, TRIGGERS } from '../unload/request.ts';
import { HOLD_UNLOADS } from './hold-unloads.ts';

/** `preparing`: memory is being freed; `failed`: not enough could be freed. */
export const HOLD_STATES = ['preparing', 'active', 'failed', 'ended'] as const;

/** A hold in the state file, with wall times. */
export const savedHold = z.object({
  id: z.uuid(),
  /** At least one. */
  routers: z.array(z.string()),
  /** Whom or what the memory is for. */
  holder: z.string(),
  /** The caller who placed it. */
  by: caller,
  trigger: z.enum(TRIGGERS),
  /** What the memory is needed for; may be empty. */
  reason: z.string(),
  /** When it was placed; a renewal does not change it. */
  since: savedTime,
  until: savedTime,
  state: z.enum(HOLD_STATES),
  /** Of a failed hold: a sentence. */
  why: z.string().optional(),
  /** So much must be free on one GPU. */
  needBytes: z.number().optional(),
  unload: z.enum(HOLD_UNLOADS),
  /** What the unload does with busy models. */
  whenBusy: z.enum(WHEN_BUSY),
  /** Whether the models that it unloaded are loaded again when the last hold on their router ends. */
  restore: z.boolean(),
  /** Whether idle models that are loaded during the hold are unloaded again. */
  enforce: z.boolean(),
  /** The operation that unloads for it. */
  operation: z.string().optional(),
});

/** Keeps the GPU memory of routers free for one job, until a time. Times are monotonic milliseconds. */
export type Hold = Readonly<z.infer<typeof savedHold>>;

/** A hold that has just been placed. */
export type HoldRequest = Omit<Hold, 'id' | 'since' | 'state' | 'why' | 'operation'>;

/** Whether a hold keeps memory free at this time. Compares times, because a timer may be late. */
export function isStanding({ state, until }: Hold, now: number): boolean {
  return (state === 'preparing' || state === 'active') && now < until;
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
export function describeHold(hold: Pick<Hold, 'until' | 'reason' | 'holder'>, now: number): string {
  return `kept free until ${describeEnd(hold, now)}${describePurpose(hold)}`;
}

/** ` for training (requested by alice)` */
export function describePurpose({ reason, holder }: Pick<Hold, 'reason' | 'holder'>): string {
  return `${reason === '' ? '' : ` for ${reason}`} (requested by ${holder})`;
}

/** `14:05 UTC`, with the date unless that is today. Rounded up to a minute, so that a retry is never too early. */
export function describeEnd({ until }: Pick<Hold, 'until'>, now: number): string {
  const [day = '', time = ''] = new Date(Math.ceil(until / 60_000) * 60_000).toISOString().split('T');
  const isToday = new Date(now).toISOString().startsWith(day);
  return `${isToday ? '' : `${day} `}${time.slice(0, 5)} UTC`;
}

/** The hold that ends last. */
export function lastToEnd(holds: readonly Hold[]): Hold | undefined {
  return holds.toSorted((a, b) => b.until - a.until)[0];
}

/**
 * The gate of a router with these holds, for a request to this model if it is known: why the request may not go to the
 * router now; undefined when it may. Only a loaded model passes during a hold: waking a sleeping model takes memory, and
 * what an unknown model needs is unknown.
 */
export function gateOf(
  router: string,
  standing: readonly Hold[],
  model: ModelState | undefined,
  clock: Clock,
): Required<Refusal> | undefined {
  const last = lastToEnd(standing);
  if (last === undefined || model?.lifecycle.status === 'loaded') return undefined;
  return {
    reason: 'held',
    detail: `GPU memory of ${router} is ${describeHold(onWall(last, clock), clock.wall())}`,
    retry_after_seconds: Math.max(1, Math.ceil((last.until - clock.now()) / 1000)),
  };
}
