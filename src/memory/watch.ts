import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { isRunning } from '../models/status.ts';
import type { Store } from '../models/store.ts';
import { createMachine } from './machine.ts';
import { type Memory, startMemory } from './memory.ts';
import type { RouterView } from './parents.ts';
import type { MemoryReading } from './reading.ts';

/**
 * Measures the memory of this machine and of the models that the store believes in. `config` is asked at each
 * reading which routers are here; how and where to measure is as it was at the start.
 */
export function watchMemory(config: () => Config, store: Store, clock: Clock, log: Logger): Memory {
  const { memory, path } = config();
  const timeoutMs = memory.timeout * 1000;
  const routers = () => viewsOf(config(), store);
  const measure = createMachine({ ...path, nvidiaSmi: memory.nvidia_smi, timeoutMs, routers }, clock);
  return startMemory(
    { measure, intervalMs: memory.interval * 1000, timeoutMs, onReading: logFaults(log) },
    clock,
  );
}

/** What is believed of the configured routers, as far as it helps to find their processes. */
function viewsOf({ routers }: Pick<Config, 'routers'>, store: Store): RouterView[] {
  return routers.map(({ name, url, local }) => {
    const state = store.router(name);
    const models = [...(state?.models.values() ?? [])];
    return {
      name,
      url,
      local,
      models: models.map(({ id, aliases, lifecycle }) => ({
        id,
        aliases,
        // Of a router that is down nobody knows what still runs: its processes tell.
        isRunning: state?.up === true && isRunning(lifecycle.known),
        // 0 until its first load.
        ...(lifecycle.instance && { port: lifecycle.instance }),
      })),
    };
  });
}

/** One line when a source begins to fail, or fails in another way, and one when it is well again. */
function logFaults(log: Logger): (reading: MemoryReading) => void {
  const faults = new Map<string, string>();
  return ({ reports }) => {
    for (const { collector, fault } of reports) {
      const before = faults.get(collector);
      if (fault === undefined) {
        if (faults.delete(collector)) log.info('memory is read again', { collector });
      } else {
        faults.set(collector, fault);
        if (kindOf(fault) !== kindOf(before)) log.warn('memory cannot be read', { collector, error: fault });
      }
    }
  };
}

/** A fault that counts seconds is still the same fault. */
function kindOf(fault: string | undefined): string | undefined {
  return fault?.replace(/\d+/g, '');
}
