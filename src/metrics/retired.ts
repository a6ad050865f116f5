/** What is gone and may come back. When there is too much of it, what went first is forgotten. */
export interface Retired<T> {
  add(gone: T): void;
  /** What was gone before this process began; nothing is forgotten for it, for most of it will soon be seen. */
  recall(gone: T): void;
  /** It is there: it has come back, or is new. */
  present(back: T): void;
}

/**
 * Remembers so many, or as many as were ever there at once: all may be lost for a moment, as by DNS, and must then go
 * on. `forget` is called with each that is remembered no longer; equal is what reads the same.
 */
export function createRetired<T>(least: number, forget: (gone: T) => void): Retired<T> {
  const retired = new Map<string, T>();
  const there = new Set<string>();
  let most = least;
  return {
    add(gone) {
      const key = JSON.stringify(gone);
      there.delete(key);
      retired.delete(key);
      retired.set(key, gone);
      const [oldest] = retired;
      if (retired.size <= most || oldest === undefined) return;
      retired.delete(oldest[0]);
      forget(oldest[1]);
    },
    recall: (gone) => retired.set(JSON.stringify(gone), gone),
    present(back) {
      const key = JSON.stringify(back);
      retired.delete(key);
      there.add(key);
      most = Math.max(most, there.size);
    },
  };
}
