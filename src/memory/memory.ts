import type { Clock } from '../lib/clock.ts';
import { type Reader, startReader } from './reader.ts';
import type { MemoryReading } from './reading.ts';
import { createRouterMemory, type RouterMemory } from './router-memory.ts';

/** What is known of memory on this machine. */
export interface Memory extends Reader<MemoryReading> {
  /** A router's GPUs in the last reading; undefined where nothing measures, or when it is elsewhere. */
  ofRouter(router: string): RouterMemory | undefined;
}

export interface MemoryOptions {
  /** See createMachine. */
  measure(ending: AbortSignal): Promise<MemoryReading>;
  intervalMs: number;
  /** How long any one source may take. */
  timeoutMs: number;
  onReading?(reading: MemoryReading): void;
}

/** Measures memory in the background, and on demand. */
export function startMemory(
  { measure, intervalMs, timeoutMs, onReading }: MemoryOptions,
  clock: Clock,
): Memory {
  const routerMemory = createRouterMemory();
  const reader = startReader<MemoryReading>(
    {
      intervalMs,
      // Two readings in a row may take their full time before the next is there.
      keepMs: 2 * (intervalMs + 2 * timeoutMs),
      read: measure,
      onReading(reading) {
        routerMemory.observe(reading);
        onReading?.(reading);
      },
    },
    clock,
  );
  return {
    ...reader,
    ofRouter(router) {
      const reading = reader.reading();
      return reading && routerMemory.of(router, reading);
    },
  };
}
