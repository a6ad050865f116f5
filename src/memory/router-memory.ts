import type { GpuMemory, MemoryReading, ModelMemory } from './reading.ts';

type Share = ModelMemory['gpus'][number];

/** The GPUs of one router, and what its models hold of them. Bytes. */
export interface RouterMemory {
  /** On all of its GPUs together, whoever holds it. */
  usedBytes: number;
  totalBytes: number;
  /** What this model holds there; undefined when it holds none, or nobody tells. */
  ofModel(model: string): number | undefined;
}

/**
 * Tells which GPUs are a router's: those that its models have been seen on; before that, all of the machine. They
 * are remembered: before and after an unload are to be told of the same GPUs.
 */
export function createRouterMemory() {
  const seen = new Map<string, Set<string>>();
  return {
    observe({ models }: MemoryReading): void {
      for (const { router, gpus } of models) {
        const pools = seen.get(router) ?? new Set();
        for (const gpu of gpus) if (livesIn(gpu, gpus)) pools.add(keyOf(gpu));
        if (pools.size > 0) seen.set(router, pools);
      }
    },
    /** Undefined where nothing measures, and for a router that is not on this machine. */
    of(router: string, reading: MemoryReading): RouterMemory | undefined {
      if (!reading.here.includes(router)) return undefined;
      const pools = seen.get(router);
      const gpus = reading.gpus.filter((gpu) => pools?.has(keyOf(gpu)) ?? true);
      const usedBytes = sum(gpus, ({ usedBytes }) => usedBytes);
      const totalBytes = sum(gpus, ({ totalBytes }) => totalBytes);
      if (usedBytes === undefined || totalBytes === undefined) return undefined;
      return { usedBytes, totalBytes, ofModel: (model) => heldBy(reading.models, router, model) };
    },
  };
}

/** Buffers that a card with memory of its own keeps in the machine's do not make that the router's. */
function livesIn(share: Share, all: readonly Share[]): boolean {
  const onCard = all.filter(({ uuid }) => uuid === share.uuid).reduce((bytes, each) => bytes + each.bytes, 0);
  return share.bytes >= onCard / 10;
}

function heldBy(models: readonly ModelMemory[], router: string, id: string): number | undefined {
  const model = models.find((each) => each.router === router && each.model === id);
  return sum(model?.gpus ?? [], ({ bytes }) => bytes);
}

/** Undefined when there is nothing to add, or one of them is not known. */
function sum<Item>(items: readonly Item[], value: (item: Item) => number | undefined): number | undefined {
  const values = items.map(value);
  if (values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce((total: number, each) => total + (each ?? 0), 0);
}

function keyOf({ uuid, pool }: Pick<GpuMemory, 'uuid' | 'pool'>): string {
  return `${uuid} ${pool}`;
}
