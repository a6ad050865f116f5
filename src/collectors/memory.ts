import type { MemoryReading, ModelMemory } from '../memory/reading.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/family.ts';
import type { Collector } from './scrape.ts';

/** The last memory reading; undefined if there is none that is recent enough. */
export interface MemorySource {
  reading(): MemoryReading | undefined;
}

/** The memory of this machine's GPUs, and of the models on it. A scrape reads nothing: it publishes the last reading. */
export function collectMemory(source: MemorySource): Collector {
  const samples = createSampleCache();
  return () => {
    const { gpus = [], models = [], reports = [] } = source.reading() ?? {};
    const pools = gpus.map((gpu) => ({
      ...gpu,
      labels: { gpu: gpu.gpu, gpu_uuid: gpu.uuid, name: gpu.name, pool: gpu.pool },
    }));
    return [
      samples(CATALOG.gpuMemoryTotal, (row) => {
        for (const { labels, totalBytes } of pools) row(labels, totalBytes);
      }),
      samples(CATALOG.gpuMemoryUsed, (row) => {
        for (const { labels, usedBytes } of pools) row(labels, usedBytes);
      }),
      samples(CATALOG.gpuMemoryUnowned, (row) => {
        for (const { labels, unownedBytes } of pools) row(labels, unownedBytes);
      }),
      samples(CATALOG.modelGpuMemory, (row) => {
        for (const memory of models) {
          const { router, model } = memory;
          for (const [uuid, bytes] of byGpu(memory)) row({ router, model, gpu_uuid: uuid }, bytes);
        }
      }),
      samples(CATALOG.modelResidentMemory, (row) => {
        for (const { router, model, residentBytes } of models) row({ router, model }, residentBytes);
      }),
      samples(CATALOG.modelCpu, (row) => {
        for (const { router, model, cpuSeconds } of models) row({ router, model }, cpuSeconds);
      }),
      samples(CATALOG.collectorSuccess, (row) => {
        for (const { collector, fault } of reports) row({ collector }, Number(fault === undefined));
      }),
      samples(CATALOG.collectorDuration, (row) => {
        for (const { collector, seconds } of reports) row({ collector }, seconds);
      }),
    ];
  };
}

/** On an APU a model uses several pools of the same card. */
function byGpu({ gpus }: ModelMemory): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { uuid, bytes } of gpus) sums.set(uuid, (sums.get(uuid) ?? 0) + bytes);
  return sums;
}
