import { perObject } from '../lib/per-object.ts';
import type { Memory } from '../memory/memory.ts';
import { type MemoryReading, sharesByCard } from '../memory/reading.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache } from '../metrics/exposition.ts';
import type { Collector } from './scrape.ts';

/** The memory of this machine's GPUs, and of routers and models on it. A scrape publishes the last reading. */
export function collectMemory(memory: Pick<Memory, 'reading'>): Collector {
  const samples = createSampleCache();
  /** The same for the same reading, which many scrapes publish. */
  const samplesOf = perObject((reading: MemoryReading) => {
    const { gpus, cards, models, routers, orphans, reports } = reading;
    const pools = gpus.map((pool) => {
      return { ...pool, labels: { gpu: pool.gpu, gpu_uuid: pool.uuid, name: pool.name, pool: pool.pool } };
    });
    const kinds = [...new Map(gpus.map((pool) => [pool.uuid, pool])).values()].map((pool) => {
      return { ...pool, labels: { gpu: pool.gpu, gpu_uuid: pool.uuid, name: pool.name } };
    });
    const known = cards.map(({ collector, gpu, uuid, name, lost }) => {
      return { lost, labels: { collector, gpu, gpu_uuid: uuid, name } };
    });
    const ofModels = models.map((model) => {
      return { ...model, labels: { router: model.router, model: model.model } };
    });
    const ofRouters = routers.map((router) => ({ ...router, labels: { router: router.router } }));
    const orphaned = [...new Set([...routers, ...orphans].map(({ router }) => router))].map((router) => {
      return { labels: { router }, count: orphans.filter((orphan) => orphan.router === router).length };
    });
    const sources = reports.map((report) => ({ ...report, labels: { collector: report.collector } }));
    const sharesOf = <Labels>(
      holders: readonly { labels: Labels; gpus: (typeof models)[number]['gpus'] }[],
    ) =>
      holders.flatMap(({ labels, gpus: shares }) =>
        [...sharesByCard(shares, gpus)].map(([gpu_uuid, bytes]) => ({
          labels: { ...labels, gpu_uuid },
          bytes,
        })),
      );
    return [
      samples(CATALOG.gpu_memory_total_bytes, pools, ({ totalBytes }) => totalBytes),
      samples(CATALOG.gpu_memory_used_bytes, pools, ({ usedBytes }) => usedBytes),
      samples(CATALOG.gpu_memory_unowned_bytes, pools, ({ unownedBytes }) => unownedBytes),
      samples(CATALOG.gpu_integrated, kinds, ({ integrated }) => Number(integrated === true)),
      samples(CATALOG.gpu_lost, known, ({ lost }) => Number(lost !== undefined)),
      samples(CATALOG.model_gpu_memory_used_bytes, sharesOf(ofModels), ({ bytes }) => bytes),
      samples(CATALOG.model_resident_memory_bytes, ofModels, ({ residentBytes }) => residentBytes),
      samples(CATALOG.model_cpu_seconds_total, ofModels, ({ cpuSeconds }) => cpuSeconds),
      samples(CATALOG.process_gpu_memory_used_bytes, sharesOf(ofRouters), ({ bytes }) => bytes),
      samples(CATALOG.process_resident_memory_bytes, ofRouters, ({ residentBytes }) => residentBytes),
      samples(CATALOG.orphan_processes, orphaned, ({ count }) => count),
      samples(CATALOG.collector_success, sources, ({ fault }) => Number(fault === undefined)),
      samples(CATALOG.collector_duration_seconds, sources, ({ seconds }) => seconds),
      samples(CATALOG.collector_malformed_lines, sources, ({ malformed }) => malformed),
    ];
  });
  return () => {
    const reading = memory.reading();
    return reading === undefined ? [] : samplesOf(reading);
  };
}
