import type { Config } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { createMachine } from '../memory/machine.ts';
import { startMemory } from '../memory/memory.ts';
import type { MemoryReading } from '../memory/reading.ts';
import { isRunning } from '../models/feed.ts';
import { listingIn } from './replies.ts';
import type { RouterEvidence } from './router-evidence.ts';

/** Measures once, as the service does at each interval. Undefined when the measurement does not end in time. */
export async function examineMemory(
  { memory, path, routers }: Config,
  examined: readonly RouterEvidence[],
): Promise<MemoryReading | undefined> {
  const timeoutMs = memory.timeout * 1000;
  const views = routers.map(({ name, url, local }) => {
    const listing = listingIn(examined.find((router) => router.name === name)?.models);
    const models = (listing?.models ?? []).map(({ id, aliases, status, instance: port }) => {
      const model = { id, aliases, isRunning: isRunning(status), isLoaded: status === 'loaded' };
      return port ? { ...model, port } : model;
    });
    return { name, url, local, isListed: listing !== undefined, models };
  });
  const { nvidia_smi: nvidiaSmi, other_processes: maxOthers } = memory;
  const machine = { ...path, nvidiaSmi, maxOthers, timeoutMs, routers: () => views };
  const measure = createMachine(machine, systemClock);
  const measuring = startMemory({ measure, intervalMs: memory.interval * 1000, timeoutMs }, systemClock);
  try {
    // Four sources, one after the other.
    return await measuring.fresh(5 * timeoutMs);
  } finally {
    await measuring.stop();
  }
}
