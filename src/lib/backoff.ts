/** Waiting times that double from `minMs` to `maxMs`, spread so that many clients do not return together. */
export interface Backoff {
  /** The next wait in milliseconds: between half and the whole of the doubled time. */
  next(): number;
  /** Starts again from the shortest wait. */
  reset(): void;
}

export function createBackoff(minMs: number, maxMs: number, random: () => number = Math.random): Backoff {
  let attempts = 0;
  return {
    next() {
      // 2 ** 30 of the smallest wait is beyond any maximum, and keeps the power finite.
      const whole = Math.min(maxMs, minMs * 2 ** Math.min(attempts, 30));
      attempts += 1;
      return whole / 2 + (random() * whole) / 2;
    },
    reset() {
      attempts = 0;
    },
  };
}
