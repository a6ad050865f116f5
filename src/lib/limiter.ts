/** Counts what happens by key; a key that has had too much of it within a span waits until the span is over. */
export interface Limiter {
  count(key: string): void;
  /** How long the key has to wait, in milliseconds; 0 when it need not. */
  waitMs(key: string): number;
}

export interface LimiterOptions {
  /** As many as this within a span are free. */
  most: number;
  spanMs: number;
  /** So many keys are remembered; beyond that the one longest unheard of is forgotten. */
  keys: number;
  now(): number;
}

/** A limiter whose spans begin with the first event of a key. */
export function createLimiter({ most, spanMs, keys, now }: LimiterOptions): Limiter {
  const spans = new Map<string, { from: number; count: number }>();
  return {
    count(key) {
      const span = current(key) ?? { from: now(), count: 0 };
      span.count += 1;
      // The last of a Map is the one heard of last.
      spans.delete(key);
      spans.set(key, span);
      const [oldest] = spans.keys();
      if (spans.size > keys && oldest !== undefined) spans.delete(oldest);
    },
    waitMs(key) {
      const span = current(key);
      return span === undefined || span.count < most ? 0 : span.from + spanMs - now();
    },
  };

  /** A span from the future is one before the clock was set back: it would last for ever. */
  function current(key: string) {
    const span = spans.get(key);
    const elapsed = span === undefined ? Number.NaN : now() - span.from;
    return elapsed >= 0 && elapsed < spanMs ? span : undefined;
  }
}
