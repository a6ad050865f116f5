import type { Memory } from '../memory/memory.ts';
import type { ModelMemory } from '../memory/reading.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import type { Collector } from './scrape.ts';

/** The memory of this machine's GPUs, and of the models on it. A scrape reads nothing: it publishes the last reading. */
export function collectMemory(memory: Pick<Memory, 'reading'>): Collector {
  const samples = createSampleCache();
  return () => {
    const reading = memory.reading();
    const pools = (reading?.gpus ?? []).map((pool) => {
      return { ...pool, labels: { gpu: pool.gpu, gpu_uuid: pool.uuid, name: pool.name, pool: pool.pool } };
    });
    const models = (reading?.models ?? []).map((model) => {
      return { ...model, labels: { router: model.router, model: model.model } };
    });
    const reports = (reading?.reports ?? []).map((report) => {
      return { ...report, labels: { collector: report.collector } };
    });
    const shares = models.flatMap((model) =>
      [...byGpu(model)].map(([uuid, bytes]) => ({ labels: { ...model.labels, gpu_uuid: uuid }, bytes })),
    );
    return [
      samples(CATALOG.gpu_memory_total_bytes, pools, ({ totalBytes }) => totalBytes),
      samples(CATALOG.gpu_memory_used_bytes, pools, ({ usedBytes }) => usedBytes),
      samples(CATALOG.gpu_memory_unowned_bytes, pools, ({ unownedBytes }) => unownedBytes),
      samples(CATALOG.model_gpu_memory_used_bytes, shares, ({ bytes }) => bytes),
      samples(CATALOG.model_resident_memory_bytes, models, ({ residentBytes }) => residentBytes),
      samples(CATALOG.model_cpu_seconds_total, models, ({ cpuSeconds }) => cpuSeconds),
      samples(CATALOG.collector_success, reports, ({ fault }) => Number(fault === undefined)),
      samples(CATALOG.collector_duration_seconds, reports, ({ seconds }) => seconds),
    ];
  };
}

/** On an APU a model uses several pools of the same card. */
function byGpu({ gpus }: ModelMemory): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { uuid, bytes } of gpus) sums.set(uuid, (sums.get(uuid) ?? 0) + bytes);
  return sums;
}
