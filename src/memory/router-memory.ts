import type { GpuMemory, MemoryReading, ModelMemory } from './reading.ts';

type GpuShare = ModelMemory['gpus'][number];

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
  const poolsOf = new Map<string, Set<string>>();
  return {
    observe({ models }: MemoryReading): void {
      for (const { router, gpus } of models) {
        const pools = poolsOf.get(router) ?? new Set();
        for (const gpu of gpus) if (isMainPool(gpu, gpus)) pools.add(poolKey(gpu));
        if (pools.size > 0) poolsOf.set(router, pools);
      }
    },
    /** Undefined if nothing is measured or the router runs on another machine. */
    of(router: string, reading: MemoryReading): RouterMemory | undefined {
      if (!reading.here.includes(router)) return undefined;
      const pools = poolsOf.get(router);
      const gpus = reading.gpus.filter((gpu) => pools?.has(poolKey(gpu)) ?? true);
      const usedBytes = sumOf(gpus.map((gpu) => gpu.usedBytes));
      const totalBytes = sumOf(gpus.map((gpu) => gpu.totalBytes));
      if (usedBytes === undefined || totalBytes === undefined) return undefined;
      return {
        usedBytes,
        totalBytes,
        ofModel(id) {
          const model = reading.models.find((each) => each.router === router && each.model === id);
          return sumOf((model?.gpus ?? []).map(({ bytes }) => bytes));
        },
      };
    },
  };
}

/** A card with memory of its own keeps small buffers in system memory; they do not count as a pool of the router. */
function isMainPool(share: GpuShare, all: readonly GpuShare[]): boolean {
  const onCard = all.filter(({ uuid }) => uuid === share.uuid).reduce((sum, { bytes }) => sum + bytes, 0);
  return share.bytes >= onCard / 10;
}

/** Undefined without values, and if one of them is unknown. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  if (values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce((sum: number, value) => sum + (value ?? 0), 0);
}

function poolKey({ uuid, pool }: Pick<GpuMemory, 'uuid' | 'pool'>): string {
  return `${uuid} ${pool}`;
}
