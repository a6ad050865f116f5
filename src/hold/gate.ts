import type { ModelBelief } from '../models/router-state.ts';
import { describeHold, type Hold, isOver } from './hold.ts';

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
export function gateOf(hold: Hold | undefined, model: ModelBelief | undefined, now: number): Gate {
  if (hold === undefined || isOver(hold, now) || model?.life.status === 'loaded') return OPEN;
  return {
    open: false,
    retryAfterSeconds: Math.max(1, Math.ceil((hold.until - now) / 1000)),
    why: `GPU memory of ${hold.router} is ${describeHold(hold, now)}`,
  };
}
