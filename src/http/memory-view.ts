import type { Clock } from '../lib/clock.ts';
import { cardMemory, type GpuShare, gpuBytes, type MemoryReading } from '../memory/reading.ts';
import type { MemoryView } from './view-schemas.ts';
import { timesOf } from './views.ts';

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
