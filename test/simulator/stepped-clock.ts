import type { Clock } from '../../src/lib/clock.ts';

export interface SteppedClock extends Clock {
  /** Lets that much time pass: everything that is due happens, in its order, with all that it leads to. */
  pass(seconds: number): Promise<void>;
}

/** Time that passes only when told to. Begins in November 2023. */
export function createSteppedClock(): SteppedClock {
  let now = 1_700_000_000_000;
  const due: { at: number; action: () => void }[] = [];
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    after(ms, action) {
      const entry = { at: now + ms, action };
      due.push(entry);
      return () => {
        const at = due.indexOf(entry);
        if (at >= 0) due.splice(at, 1);
      };
    },
    async pass(seconds) {
      const end = now + seconds * 1000;
      await settle();
      for (;;) {
        const next = due.reduce((first, entry) => (entry.at < first.at ? entry : first), {
          at: Infinity,
          action() {},
        });
        if (next.at > end) break;
        now = next.at;
        due.splice(due.indexOf(next), 1);
        next.action();
        await settle();
      }
      now = end;
    },
  };
}
