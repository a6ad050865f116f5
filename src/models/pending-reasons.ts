import type { Clock } from '../lib/clock.ts';

/**
 * How long an unload on a full router waits for the load that explains it: between the two events the real
 * router starts a process, which took at most 17 ms in 200 evictions on b11669, with both cores loaded.
 */
const EVICTION_WINDOW_MS = 250;

/** Unloads on a full router that wait for their reason: the load of another model next makes one an eviction. */
export interface PendingReasons {
  /** Says of a model whether its unload is pendingReason now. One that is waits, once, until its time is up. */
  note(model: string, isUndecided: boolean): void;
  /** A model starts: the unload that has waited longest made room for it. */
  starts(model: string): void;
}

/** `decide` is called at most once for each unload that waits. */
export function createPendingReasons(
  clock: Clock,
  decide: (model: string, evicted: boolean) => void,
): PendingReasons {
  /** The oldest first, each with what cancels its time limit. */
  const waiting = new Map<string, () => void>();
  return {
    note(model, isUndecided) {
      if (!isUndecided) {
        waiting.get(model)?.();
        waiting.delete(model);
      } else if (!waiting.has(model)) {
        waiting.set(
          model,
          clock.after(EVICTION_WINDOW_MS, () => decide(model, false)),
        );
      }
    },
    starts(model) {
      if (waiting.has(model)) return; // It comes back itself: nobody took its place.
      const [victim] = waiting.keys();
      if (victim !== undefined) decide(victim, true);
    },
  };
}
