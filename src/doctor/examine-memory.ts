import type { Config } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { createMachine } from '../memory/machine.ts';
import { startMemory } from '../memory/memory.ts';
import type { RouterView } from '../memory/parents.ts';
import type { MemoryReading } from '../memory/reading.ts';
import { isRunning } from '../models/status.ts';
import type { RouterEvidence } from './evidence.ts';
import { listingIn } from './listing.ts';

/** Measures once, as the service does again and again. Undefined when not even that comes to an end. */
export async function examineMemory(
  { memory, path, routers }: Config,
  examined: readonly RouterEvidence[],
): Promise<MemoryReading | undefined> {
  const timeoutMs = memory.timeout * 1000;
  const views = routers.map(({ name, url, local }) => {
    return { name, url, local, models: modelsOf(examined.find((router) => router.name === name)) };
  });
  const machine = { ...path, nvidiaSmi: memory.nvidia_smi, timeoutMs, routers: () => views };
  const measure = createMachine(machine, systemClock);
  const measuring = startMemory({ measure, intervalMs: memory.interval * 1000, timeoutMs }, systemClock);
  try {
    // Sources are asked in four turns: processes, cards, processes, what they use.
    return await measuring.fresh(5 * timeoutMs);
  } finally {
    await measuring.stop();
  }
}

function modelsOf(router: RouterEvidence | undefined): RouterView['models'] {
  const listing = listingIn(router?.models);
  return (listing?.models ?? []).map(({ id, aliases, status, instance }) => {
    return { id, aliases, isRunning: isRunning(status), ...(instance && { port: instance }) };
  });
}
