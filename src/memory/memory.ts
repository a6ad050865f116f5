import { createAlarm } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';
import type { MemoryReading } from './reading.ts';
import { createRouterMemory, type RouterMemory } from './router-memory.ts';

/** The memory of this machine, measured in the background. */
export type Memory = ReturnType<typeof startMemory>;

export interface MemoryOptions {
  /** Measures once; see createMachine. Never throws, and ends soon after its signal aborts. */
  measure(ending: AbortSignal): Promise<MemoryReading>;
  /** Between the end of a reading and the start of the next. */
  intervalMs: number;
  /** The longest time that a single source may take. */
  timeoutMs: number;
  onReading?: ((reading: MemoryReading) => void) | undefined;
}

/** Measures one at a time. Callers of `fresh` during a measurement share the next one. */
export function startMemory(
  { measure, intervalMs, timeoutMs, onReading = () => {} }: MemoryOptions,
  clock: Clock,
) {
  // The two stages of a reading may time out twice in a row before the next reading is complete.
  const maxAgeMs = 2 * (intervalMs + 2 * timeoutMs);
  const routerMemory = createRouterMemory();
  const ending = new AbortController();
  const next = createAlarm(clock);
  let last: MemoryReading | undefined;
  let waiting: ((reading: MemoryReading | undefined) => void)[] = [];
  const rounds = measureRepeatedly();

  return {
    reading,
    /** The GPUs of a router in the last reading; undefined if none are measured or it runs on another machine. */
    ofRouter(router: string): RouterMemory | undefined {
      const current = reading();
      return current && routerMemory.of(router, current);
    },
    /** A reading that begins after this call; undefined if there is none within `ms`, or after `stop`. */
    fresh(ms: number): Promise<MemoryReading | undefined> {
      if (ending.signal.aborted) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const cancel = clock.after(ms, () => resolve(undefined));
        waiting.push((reading) => {
          cancel();
          resolve(reading);
        });
        next.ring();
      });
    },
    async stop(): Promise<void> {
      ending.abort();
      next.ring();
      await rounds;
      for (const resolve of waiting) resolve(undefined);
    },
  };

  /** The last reading; undefined before the first, and once it is too old. */
  function reading(): MemoryReading | undefined {
    return last && clock.now() - last.at <= maxAgeMs ? last : undefined;
  }

  async function measureRepeatedly(): Promise<void> {
    await Promise.resolve(); // The caller may request the first reading.
    while (!ending.signal.aborted) {
      const served = waiting;
      waiting = [];
      const measured = await measure(ending.signal);
      const result = ending.signal.aborted ? undefined : measured;
      if (result) {
        last = result;
        routerMemory.observe(result);
        onReading(result);
      }
      for (const resolve of served) resolve(result);
      if (result) await next.sleep(intervalMs);
    }
  }
}
