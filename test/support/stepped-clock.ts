import type { Clock } from '../../src/lib/clock.ts';

export interface SteppedClock extends Clock {
  /** Lets that much time pass: what is due happens in its order, each with all that it leads to. */
  advance(ms: number): Promise<void>;
  /** The same for code without promises. */
  jump(ms: number): void;
  /** Sets the wall clock, as an administrator or NTP does: nothing becomes due. */
  set(now: number): void;
  /** How many timers are waiting. */
  pending(): number;
}

/** Not the wall time, so that a test fails where one clock is taken for the other. */
const MONOTONIC_START = 5_000_000;

/** A clock that tests advance. The wall clock starts at `start`, the monotonic clock at another value. */
export function createSteppedClock(start = 1_700_000_000_000): SteppedClock {
  let elapsed = 0;
  let epoch = start;
  const timers = new Set<{ at: number; action: () => void }>();
  return {
    now: () => MONOTONIC_START + elapsed,
    wall: (at = MONOTONIC_START + elapsed) => at - MONOTONIC_START + epoch,
    fromWall: (time) => time - epoch + MONOTONIC_START,
    after(ms, action) {
      const timer = { at: elapsed + Math.max(0, ms), action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settled();
      for (let timer = next(end); timer; timer = next(end)) {
        ring(timer);
        await settled();
      }
      elapsed = end;
    },
    jump(ms) {
      const end = elapsed + ms;
      for (let timer = next(end); timer; timer = next(end)) ring(timer);
      elapsed = end;
    },
    set(now) {
      epoch = now - elapsed;
    },
    pending: () => timers.size,
  };

  function next(end: number) {
    const [first, ...others] = [...timers].filter(({ at }) => at <= end);
    return others.reduce((earliest, timer) => (earliest && timer.at < earliest.at ? timer : earliest), first);
  }

  function ring(timer: { at: number; action: () => void }) {
    elapsed = timer.at;
    timers.delete(timer);
    timer.action();
  }
}

/** Resolves when all pending promise callbacks have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
