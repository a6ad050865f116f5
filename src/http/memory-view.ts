import * as z from 'zod';
import type { Clock } from '../lib/clock.ts';
import { cardMemory } from '../memory/card-memory.ts';
import { type GpuShare, gpuBytes, type MemoryReading } from '../memory/reading.ts';
import { timesOf } from './views.ts';

const bytes = z.number().nullable();
const amounts = {
  total_bytes: bytes,
  used_bytes: bytes,
  unattributed_bytes: bytes.meta({
    description: 'Not attributed to a router, its models or orphans; null if a share of theirs is unknown.',
  }),
};
const pool = z.enum(['vram', 'gtt', 'host']);
const share = z.object({ gpu_uuid: z.string(), pool, bytes: z.number() });
const holder = {
  resident_bytes: bytes,
  gpu_bytes: bytes.meta({ description: 'On all GPUs; null if none is known.' }),
  gpus: z.array(share),
};

/** The last measurement of this machine, as the API shows it. null is unknown. */
export const memoryView = z
  .object({
    measured_at: z.iso.datetime().nullable().meta({ description: 'Null without a recent measurement.' }),
    gpus: z.array(
      z.object({
        gpu: z.string(),
        gpu_uuid: z.string(),
        name: z.string(),
        pci_address: z.string().nullable(),
        integrated: z.boolean().meta({
          description: 'Whether it has no memory of its own: its amounts are those of all pools together.',
        }),
        ...amounts,
        pools: z.array(z.object({ pool, ...amounts })),
        other_processes: z.array(z.object({ pid: z.int(), name: z.string(), bytes: z.number() })).meta({
          description: 'The largest that are neither a router nor a model: memory.other_processes.',
        }),
      }),
    ),
    lost_gpus: z.array(
      z.object({ gpu: z.string(), gpu_uuid: z.string(), name: z.string(), reason: z.string() }),
    ),
    models: z.array(z.object({ router: z.string(), model: z.string(), ...holder })),
    routers: z
      .array(z.object({ router: z.string(), ...holder }))
      .meta({ description: "The routers' own processes, without those of their models." }),
    orphans: z.array(z.object({ router: z.string(), model: z.string(), pid: z.int(), ...holder })).meta({
      description: 'Processes of models that are not below their router any more: no listing shows them.',
    }),
    sources: z.array(
      z.object({
        collector: z.string(),
        duration_seconds: z.number(),
        fault: z.string().nullable(),
        warnings: z.array(z.string()).readonly(),
      }),
    ),
  })
  .meta({ id: 'Memory' });

export type MemoryView = z.infer<typeof memoryView>;

export function viewMemory(reading: MemoryReading | undefined, clock: Clock): MemoryView {
  const { gpus = [], others = [], cards = [], models = [], routers = [] } = reading ?? {};
  const { orphans = [], reports = [] } = reading ?? {};
  const holderOf = (shares: readonly GpuShare[], residentBytes: number | undefined) => {
    return {
      resident_bytes: residentBytes ?? null,
      gpu_bytes: gpuBytes(shares, gpus) ?? null,
      gpus: shares.map(({ uuid, pool, bytes }) => ({ gpu_uuid: uuid, pool, bytes })),
    };
  };
  return {
    measured_at: reading ? timesOf(clock)(reading.at) : null,
    gpus: cardMemory(gpus).map((card) => ({
      gpu: card.gpu,
      gpu_uuid: card.uuid,
      name: card.name,
      pci_address: card.pciAddress ?? null,
      integrated: card.integrated === true,
      ...amountsOf(card),
      pools: card.pools.map((each) => ({ pool: each.pool, ...amountsOf(each) })),
      other_processes: others
        .filter(({ uuid }) => uuid === card.uuid)
        .map(({ pid, name, bytes }) => ({ pid, name, bytes })),
    })),
    lost_gpus: cards.flatMap(({ gpu, uuid, name, lost }) =>
      lost === undefined ? [] : [{ gpu, gpu_uuid: uuid, name, reason: lost }],
    ),
    models: models.map(({ router, model, gpus: shares, residentBytes }) => {
      return { router, model, ...holderOf(shares, residentBytes) };
    }),
    routers: routers.map(({ router, gpus: shares, residentBytes }) => {
      return { router, ...holderOf(shares, residentBytes) };
    }),
    orphans: orphans.map(({ router, model, pid, gpus: shares, residentBytes }) => {
      return { router, model, pid, ...holderOf(shares, residentBytes) };
    }),
    sources: reports.map(({ collector, seconds, fault, warnings }) => {
      return { collector, duration_seconds: seconds, fault: fault ?? null, warnings: warnings ?? [] };
    }),
  };
}

/** What these shares hold of a GPU: of its own memory, or of both pools of an APU. */
export function bytesOn(
  { gpu_uuid, integrated }: MemoryView['gpus'][number],
  shares: MemoryView['models'][number]['gpus'],
): number {
  const own = shares.filter((share) => share.gpu_uuid === gpu_uuid && (integrated || share.pool !== 'gtt'));
  return own.reduce((sum, { bytes }) => sum + bytes, 0);
}

function amountsOf(of: {
  totalBytes?: number | undefined;
  usedBytes?: number | undefined;
  unownedBytes?: number | undefined;
}) {
  return {
    total_bytes: of.totalBytes ?? null,
    used_bytes: of.usedBytes ?? null,
    unattributed_bytes: of.unownedBytes ?? null,
  };
}
