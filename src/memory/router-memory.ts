import { cardMemory, sumOf } from './card-memory.ts';
import { gpuBytes, type MemoryReading, sharesByCard } from './reading.ts';

/** The GPUs of one router. */
export interface RouterMemory {
  /** Of all its GPUs, by all processes. */
  usedBytes: number;
  totalBytes: number;
  /** GPU memory of this model; undefined if unknown. */
  ofModel(model: string): number | undefined;
}

/**
 * The GPUs of a router are those on which its models have been seen; until then, all of the machine. They are
 * remembered, so that readings before and after an unload are about the same GPUs.
 */
export function createRouterMemory() {
  const cardsOf = new Map<string, Set<string>>();
  return {
    observe({ models, gpus }: MemoryReading): void {
      for (const { router, gpus: shares } of models) {
        const cards = cardsOf.get(router) ?? new Set();
        for (const uuid of sharesByCard(shares, gpus).keys()) cards.add(uuid);
        if (cards.size > 0) cardsOf.set(router, cards);
      }
    },
    /** Undefined if nothing is measured or the router runs on another machine. */
    of(router: string, reading: MemoryReading): RouterMemory | undefined {
      if (!reading.here.includes(router)) return undefined;
      const cards = cardsOf.get(router);
      const own = cardMemory(reading.gpus).filter(({ uuid }) => cards?.has(uuid) ?? true);
      const usedBytes = sumOf(own.map((card) => card.usedBytes));
      const totalBytes = sumOf(own.map((card) => card.totalBytes));
      if (usedBytes === undefined || totalBytes === undefined) return undefined;
      return {
        usedBytes,
        totalBytes,
        ofModel(id) {
          const model = reading.models.find((each) => each.router === router && each.model === id);
          return gpuBytes(model?.gpus ?? [], reading.gpus);
        },
      };
    },
  };
}
