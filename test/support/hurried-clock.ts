import { type Clock, systemClock } from '../../src/lib/clock.ts';

/** The system's clock, from now on that many times as fast. */
export function createHurriedClock(times: number): Clock {
  const [start, startWall] = [systemClock.now(), systemClock.wall()];
  const now = () => start + (systemClock.now() - start) * times;
  return {
    now,
    wall: (at = now()) => Math.round(at - start + startWall),
    fromWall: (time) => time - startWall + start,
    after: (ms, action) => systemClock.after(ms / times, action),
  };
}
