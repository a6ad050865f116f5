import type { MemoryReading } from '../../src/memory/reading.ts';

/** A reading in which nothing was found, but for what is given. */
export function aReading(more: Partial<MemoryReading> = {}): MemoryReading {
  const at = 1_700_000_000_000;
  return { at, begunAt: at, reports: [], gpus: [], models: [], here: [], hidden: [], ...more };
}
