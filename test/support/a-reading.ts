import type { MemoryReading } from '../../src/memory/reading.ts';

/** An empty reading with these values. */
export function aReading(more: Partial<MemoryReading> = {}): MemoryReading {
  const at = 5_000_000;
  return {
    ...{ at, reports: [], gpus: [], others: [], cards: [], models: [], routers: [], foreignPids: false },
    ...{ orphans: [], contained: [], here: [], hidden: [], ...more },
  };
}
