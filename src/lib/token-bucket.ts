/** How much may be taken: once every `intervalMs` in the long run, and up to `burst` at once. */
export interface Flow {
  readonly intervalMs: number;
  readonly burst: number;
}

/** A bucket that fills by one every interval; the flow may be another at each call. */
export function createTokenBucket(now: () => number) {
  let taken: { flow: Flow; level: number; at: number } | undefined;
  return {
    /** Takes one, if there is one. */
    take(flow: Flow): boolean {
      const at = now();
      // Not by identity: a file that was read anew says the same in a new object.
      const same = taken?.flow.intervalMs === flow.intervalMs && taken.flow.burst === flow.burst;
      const gained = taken === undefined || !same ? flow.burst : Math.max(0, at - taken.at) / flow.intervalMs;
      const level = Math.min(flow.burst, (same ? (taken?.level ?? 0) : 0) + gained);
      taken = { flow, level: level >= 1 ? level - 1 : level, at };
      return level >= 1;
    },
  };
}
