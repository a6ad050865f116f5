// Ticks of an axis, for the substitute panels.
const MINUTE = 60_000;
const TIME_STEPS = [10_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE];

/** Times with labels, about 100 pixels apart. */
export function timeTicks(from, to, width) {
  const step = TIME_STEPS.find((one) => ((to - from) / one) * 100 <= width) ?? 60 * MINUTE;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    const text = new Date(at).toISOString().slice(11, step < MINUTE ? 19 : 16);
    ticks.push({ at, text });
  }
  return ticks;
}

/** Bytes from 0 to the largest, in powers of two. */
export function byteTicks(largest, width) {
  let step = 1;
  while ((largest / step) * 90 > width) step *= 2;
  return Array.from({ length: Math.floor(largest / step) + 1 }, (_, at) => at * step);
}
