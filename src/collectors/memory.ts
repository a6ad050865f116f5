import type { MemoryReading, ModelMemory } from '../memory/reading.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import { type Collector, whenChanged } from './collector.ts';

/** Where readings of memory come from; undefined while there is none, or none that is still true. */
export interface MemorySource {
  reading(): MemoryReading | undefined;
}

/** The memory of this machine's GPUs, and whose it is. Nothing is read for a scrape. */
export function collectMemory(source: MemorySource): Collector {
  const sheet = createSampleCache();
  return whenChanged(source.reading, () => {
    const { gpus = [], models = [], reports = [] } = source.reading() ?? {};
    const pools = gpus.map((gpu) => ({
      ...gpu,
      labels: { gpu: gpu.gpu, gpu_uuid: gpu.uuid, name: gpu.name, pool: gpu.pool },
    }));
    return [
      sheet(CATALOG.gpuMemoryTotal, (row) => {
        for (const { labels, totalBytes } of pools) row(labels, totalBytes);
      }),
      sheet(CATALOG.gpuMemoryUsed, (row) => {
        for (const { labels, usedBytes } of pools) row(labels, usedBytes);
      }),
      sheet(CATALOG.gpuMemoryUnowned, (row) => {
        for (const { labels, unownedBytes } of pools) row(labels, unownedBytes);
      }),
      sheet(CATALOG.modelGpuMemory, (row) => {
        for (const memory of models) {
          const { router, model } = memory;
          for (const [uuid, bytes] of byGpu(memory)) row({ router, model, gpu_uuid: uuid }, bytes);
        }
      }),
      sheet(CATALOG.modelResidentMemory, (row) => {
        for (const { router, model, residentBytes } of models) row({ router, model }, residentBytes);
      }),
      sheet(CATALOG.modelCpu, (row) => {
        for (const { router, model, cpuSeconds } of models) row({ router, model }, cpuSeconds);
      }),
      sheet(CATALOG.collectorSuccess, (row) => {
        for (const { collector, fault } of reports) row({ collector }, Number(fault === undefined));
      }),
      sheet(CATALOG.collectorDuration, (row) => {
        for (const { collector, seconds } of reports) row({ collector }, seconds);
      }),
    ];
  });
}

/** A model of an APU holds some in each pool of the one card. */
function byGpu({ gpus }: ModelMemory): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { uuid, bytes } of gpus) sums.set(uuid, (sums.get(uuid) ?? 0) + bytes);
  return sums;
}
