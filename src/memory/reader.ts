import { createAlarm } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';

/** Reads again and again, in the background. */
export interface Reader<Reading> {
  /** The last reading; undefined before the first, and when it is too old to be true. */
  reading(): Reading | undefined;
  /** Another number after every reading: for caches. */
  version(): number;
  /** A reading of which everything was read after this call; undefined when there is none within `ms`, or at the end. */
  fresh(ms: number): Promise<Reading | undefined>;
  stop(): Promise<void>;
}

export interface ReaderOptions<Reading> {
  /** Between the end of a reading and the next. */
  intervalMs: number;
  /** How old a reading may get when no other follows. */
  keepMs: number;
  /** Ends soon when the signal aborts. Never throws. */
  read(ending: AbortSignal): Promise<Reading>;
  onReading?: ((reading: Reading) => void) | undefined;
}

/** One reading at a time. Who wants a fresh one while one is under way waits for the next: several share it. */
export function startReader<Reading extends { at: number }>(
  { intervalMs, keepMs, read, onReading = () => {} }: ReaderOptions<Reading>,
  clock: Clock,
): Reader<Reading> {
  const ending = new AbortController();
  const next = createAlarm(clock);
  let last: Reading | undefined;
  let version = 0;
  let waiting: ((reading: Reading | undefined) => void)[] = [];
  const rounds = keepReading();

  return {
    reading: () => (last && clock.now() - last.at <= keepMs ? last : undefined),
    version: () => version,
    async fresh(ms) {
      if (ending.signal.aborted) return undefined;
      return new Promise((resolve) => {
        const cancel = clock.after(ms, () => resolve(undefined));
        waiting.push((reading) => {
          cancel();
          resolve(reading);
        });
        next.ring();
      });
    },
    async stop() {
      ending.abort();
      next.ring();
      await rounds;
      for (const take of waiting) take(undefined);
    },
  };

  async function keepReading(): Promise<void> {
    await Promise.resolve(); // Whoever started us may want the first reading.
    while (!ending.signal.aborted) {
      const wanted = waiting;
      waiting = [];
      const reading = await read(ending.signal);
      if (ending.signal.aborted) {
        for (const take of wanted) take(undefined);
        return;
      }
      last = reading;
      version += 1;
      onReading(reading);
      for (const take of wanted) take(reading);
      await next.sleep(intervalMs);
    }
  }
}
