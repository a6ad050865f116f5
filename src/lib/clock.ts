import { performance } from 'node:perf_hooks';

/** Time as a parameter: the system's in the service, a stepped clock in tests. */
export interface Clock {
  /**
   * Monotonic time in milliseconds, for ages, intervals, timeouts and cooldowns: setting the system clock does not
   * change it. Only differences are meaningful.
   */
  now(): number;
  /** The wall time, in milliseconds since the epoch, of a monotonic instant; default: of now. */
  wall(at?: number): number;
  /** The monotonic instant of a wall time, for times in requests and files. */
  fromWall(time: number): number;
  /** Calls `action` once after `ms`; the returned function cancels it. Keeps the process alive. */
  after(ms: number, action: () => void): () => void;
}

/** A smaller difference is drift. Ignoring it keeps published timestamps stable. */
const DRIFT_MS = 1000;

/** How far the wall clock is ahead of the monotonic clock; changes only when the wall clock is set. */
let ahead = 0;

function wallAhead(): number {
  const difference = Date.now() - monotonic();
  if (Math.abs(difference - ahead) > DRIFT_MS) ahead = difference;
  return ahead;
}

function monotonic(): number {
  return performance.timeOrigin + performance.now();
}

export const systemClock: Clock = {
  now: monotonic,
  wall: (at = monotonic()) => Math.round(at + wallAhead()),
  fromWall: (time) => time - wallAhead(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves when the work is done, and at the latest after `ms`; the work continues then. */
export async function within(ms: number, work: Promise<unknown> | undefined, clock: Clock): Promise<void> {
  let cancel = () => {};
  const timeout = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([work, timeout]);
  cancel();
}
