/** Waits that double from `minMs` to `maxMs`, with jitter. */
export interface Backoff {
  /** The next wait in milliseconds: between half and all of the doubled time. */
  next(): number;
  /** Starts again with the shortest wait. */
  reset(): void;
}

export function createBackoff(minMs: number, maxMs: number, random: () => number = Math.random): Backoff {
  let attempts = 0;
  return {
    next() {
      // Keeps the power finite; 2 ** 30 times the shortest wait exceeds any maximum.
      const whole = Math.min(maxMs, minMs * 2 ** Math.min(attempts, 30));
      attempts += 1;
      return whole / 2 + (random() * whole) / 2;
    },
    reset() {
      attempts = 0;
    },
  };
}
