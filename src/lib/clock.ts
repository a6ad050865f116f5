import { performance } from 'node:perf_hooks';

/** Time as an argument: the system's in the service, a stepped one in tests. */
export interface Clock {
  /**
   * Monotonic time in milliseconds, for ages, intervals, timeouts and cooldowns: setting the system clock does not
   * move it. Only differences mean anything.
   */
  now(): number;
  /** The wall time, in milliseconds since the epoch, of a monotonic instant; default: of now. */
  wall(at?: number): number;
  /** The monotonic instant of a wall time, for times that people or files give. */
  fromWall(time: number): number;
  /** Calls `action` once after `ms`; the returned function cancels it. Keeps the process alive. */
  after(ms: number, action: () => void): () => void;
}

/** A difference below this is drift, which timestamps already shown do not follow. */
const DRIFT_MS = 1000;

/** How far the wall clock is ahead of the monotonic one; another value only after the wall clock was set. */
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
