import type { Clock } from '../lib/clock.ts';
import type { ModelState } from '../models/router-state.ts';
import { describeHold, type Hold, isExpired, onWall } from './hold.ts';

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
