import { keepLatest } from './keep-latest.ts';

interface LimiterOptions {
  /** Events that a window allows. */
  most: number;
  /** Length of a window, which begins with the first event of a key. */
  spanMs: number;
  /** Maximum number of keys; the least recently counted is forgotten. */
  keys: number;
  now(): number;
}

/** Counts events by key. A key with too many events in a window must wait until the window ends. */
export function createLimiter({ most, spanMs, keys, now }: LimiterOptions) {
  const windows = new Map<string, { from: number; count: number }>();
  return {
    count(key: string): void {
      const window = current(key) ?? { from: now(), count: 0 };
      window.count += 1;
      keepLatest(windows, key, window, keys);
    },
    /** How long the key must wait, in milliseconds; 0 when it need not. */
    waitMs(key: string): number {
      const window = current(key);
      return window === undefined || window.count < most ? 0 : window.from + spanMs - now();
    },
  };

  function current(key: string) {
    const window = windows.get(key);
    return window !== undefined && now() - window.from < spanMs ? window : undefined;
  }
}

/** The rate of a token bucket: one event per interval on average, up to `burst` at once. */
export interface Rate {
  readonly intervalMs: number;
  readonly burst: number;
}

/** A token bucket that gains a token every interval. A new rate starts with a full bucket. */
export function createTokenBucket(now: () => number) {
  let rate: Rate | undefined;
  let level = 0;
  let filledAt = 0;
  return {
    /** Takes a token if there is one. */
    take(wanted: Rate): boolean {
      const at = now();
      // Compared by value: reloading a file creates a new object.
      const isSame = rate?.intervalMs === wanted.intervalMs && rate.burst === wanted.burst;
      const filled = isSame ? level + (at - filledAt) / wanted.intervalMs : wanted.burst;
      level = Math.min(wanted.burst, filled);
      rate = wanted;
      filledAt = at;
      if (level < 1) return false;
      level -= 1;
      return true;
    },
  };
}
