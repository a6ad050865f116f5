import type { Clock } from '../lib/clock.ts';
import type { ModelState } from '../models/router-state.ts';
import { describeHold, type Hold, isOver, onWall } from './hold.ts';

/** Whether a request may go to a router now. */
export type Gate =
  | { open: true }
  | {
      open: false;
      /** Whole seconds until it opens, at least 1. */
      retryAfterSeconds: number;
      /** A sentence for whoever sent the request. */
      why: string;
    };

const OPEN: Gate = { open: true };

/**
 * The gate of a router, for a request to this model if that is known. A model that is in memory and awake needs
 * no memory that is not its own; waking a sleeper takes memory, and of an unknown model nobody knows.
 */
export function gateOf(hold: Hold | undefined, model: ModelState | undefined, clock: Clock): Gate {
  const now = clock.now();
  if (hold === undefined || isOver(hold, now) || model?.lifecycle.status === 'loaded') return OPEN;
  return {
    open: false,
    retryAfterSeconds: Math.max(1, Math.ceil((hold.until - now) / 1000)),
    why: `GPU memory of ${hold.router} is ${describeHold(onWall(hold, clock), clock.wall())}`,
  };
}
