import { failed, ok, type Result } from '../lib/result.ts';
import { type CardMemory, cardMemory, gpuBytes, type MemoryReading, sharesByCard, sumOf } from './reading.ts';

/** The GPUs of one router. */
export interface RouterMemory {
  /** Of all its GPUs, by all processes. */
  usedBytes: number;
  totalBytes: number;
  /** What the driver can still give. */
  freeBytes: number;
  /** GPU memory of this model; undefined if unknown. */
  ofModel(model: string): number | undefined;
  /** The same on these GPUs alone, named by uuid, PCI address or index; or why that is unknown. */
  onGpus(names: readonly string[]): Result<RouterMemory, GpuFault>;
  /** The same on each measured GPU of the machine alone. */
  gpus(): readonly OneGpu[];
}

/** The memory of one GPU, by all processes. */
export interface OneGpu extends Pick<RouterMemory, 'totalBytes' | 'freeBytes' | 'ofModel'> {
  /** Its index. */
  gpu: string;
}

export interface GpuFault {
  kind: 'unknown_gpu' | 'unmeasured';
  message: string;
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
      const all = cardMemory(reading.gpus);
      const own = all.filter(({ uuid }) => cards?.has(uuid) ?? true);
      return memoryOn(own, (id) => gpuBytes(sharesOf(id) ?? [], reading.gpus));

      function memoryOn(on: CardMemory[], ofModel: RouterMemory['ofModel']): RouterMemory | undefined {
        const usedBytes = sumOf(on.map((card) => card.usedBytes));
        const totalBytes = sumOf(on.map((card) => card.totalBytes));
        const freeBytes = sumOf(on.map((card) => card.freeBytes));
        if (usedBytes === undefined || totalBytes === undefined || freeBytes === undefined) return undefined;
        return { usedBytes, totalBytes, freeBytes, ofModel, onGpus, gpus };
      }

      function onGpus(names: readonly string[]): Result<RouterMemory, GpuFault> {
        const named = cardsNamed(names, all);
        if (!named.ok) return named;
        const memory = memoryOn(named.value, (id) => bytesOn(named.value, id));
        return memory ? ok(memory) : failed(unmeasured('the memory of', names.join(', ')));
      }

      function gpus(): OneGpu[] {
        return all.flatMap((card) => {
          const memory = memoryOn([card], (id) => bytesOn([card], id));
          return memory ? [{ ...memory, gpu: card.gpu }] : [];
        });
      }

      function bytesOn(on: readonly CardMemory[], id: string): number | undefined {
        const shares = sharesOf(id);
        const byCard = shares && sharesByCard(shares, reading.gpus);
        return byCard && on.reduce((sum, { uuid }) => sum + (byCard.get(uuid) ?? 0), 0);
      }

      function sharesOf(id: string) {
        return reading.models.find((each) => each.router === router && each.model === id)?.gpus;
      }
    },
  };
}

/** The cards with these names, if it is known which models use them. */
function cardsNamed(names: readonly string[], all: readonly CardMemory[]): Result<CardMemory[], GpuFault> {
  const cards = new Set<CardMemory>();
  for (const name of names) {
    const [card, another] = all.filter((each) => isNamed(each, name));
    if (card === undefined) {
      const known = all.map(({ gpu, uuid, name: product }) => `${gpu} (${uuid}, ${product})`);
      return unknownGpu(`no GPU is named '${name}'; known: ${known.join('; ')}`);
    }
    if (another !== undefined) return unknownGpu(`several GPUs have the index ${name}: name one by its UUID`);
    // Absent while the memory of a model is unknown, which may be on this card.
    if (card.unownedBytes === undefined) return failed(unmeasured('which models use', name));
    cards.add(card);
  }
  return ok([...cards]);
}

const unknownGpu = (message: string) => failed<GpuFault>({ kind: 'unknown_gpu', message });

function unmeasured(what: string, name: string): GpuFault {
  return {
    kind: 'unmeasured',
    message: `${what} GPU ${name} is not measured: llama-router-exporter doctor says why`,
  };
}

function isNamed({ gpu, uuid, pciAddress }: CardMemory, name: string): boolean {
  const bare = (text: string) => text.toLowerCase().replace(/^gpu-/, '');
  return (
    gpu === name || [uuid, pciAddress].some((known) => known !== undefined && bare(known) === bare(name))
  );
}
