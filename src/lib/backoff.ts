/** Waits that double from `minMs` to `maxMs`, with jitter. */
export function createBackoff(minMs: number, maxMs: number, random: () => number = Math.random) {
  let attempts = 0;
  return {
    /** The next wait in milliseconds: between half and all of the doubled time. */
    next(): number {
      // Keeps the power finite; 2 ** 30 times the shortest wait exceeds any maximum.
      const whole = Math.min(maxMs, minMs * 2 ** Math.min(attempts, 30));
      attempts += 1;
      return whole / 2 + (random() * whole) / 2;
    },
    /** Starts again with the shortest wait. */
    reset(): void {
      attempts = 0;
    },
  };
}
