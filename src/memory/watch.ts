import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../models/store.ts';
import { createMachine } from './machine.ts';
import { type Memory, startMemory } from './memory.ts';
import { processHint, type RouterProcessHint } from './parents.ts';
import { gpuBytes, type MemoryReading } from './reading.ts';

/**
 * Measures the memory of this machine and of the models on it. `config` is asked for the current routers at each
 * reading; the options of the measurement itself are those at the start.
 */
export function watchMemory(config: () => Config, store: Store, clock: Clock, log: Logger): Memory {
  const { memory, path } = config();
  const timeoutMs = memory.timeout * 1000;
  const routers = () => routerViews(config(), store);
  const { nvidia_smi: nvidiaSmi, other_processes: maxOthers } = memory;
  const measure = createMachine({ ...path, nvidiaSmi, maxOthers, timeoutMs, routers }, clock);
  return startMemory(
    { measure, intervalMs: memory.interval * 1000, timeoutMs, onReading: logReading(log) },
    clock,
  );
}

function routerViews({ routers }: Config, store: Store): RouterProcessHint[] {
  return routers.map(({ name, url, local }) => {
    const state = store.router(name);
    const models = [...(state?.models.values() ?? [])];
    return {
      name,
      url,
      local,
      isListed: state?.up === true,
      models: models.map(({ id, aliases, lifecycle, process }) => {
        // If the router is down, the state of its models is unknown.
        const status = state?.up ? lifecycle.known : undefined;
        return processHint({ id, aliases, status, instance: lifecycle.instance, process });
      }),
    };
  });
}

/** Logs a source when it begins to fail, fails in another way, or recovers, and each of its warnings once. */
export function logReading(log: Logger): (reading: MemoryReading) => void {
  const faults = new Map<string, string>();
  const warned = new Set<string>();
  let hiddenSince: number | undefined;
  const isNew = (key: string) => !warned.has(key) && warned.add(key).size > 0;
  const warnOnce = (collector: string, warning: string) => {
    if (isNew(`${collector} ${kindOf(warning)}`))
      log.warn('memory source has a warning', { collector, warning });
  };
  return ({ reports, foreignPids, hidden, gpus, orphans, contained, at }) => {
    for (const { collector, fault, warnings = [] } of reports) {
      const before = faults.get(collector);
      if (fault === undefined) {
        if (faults.delete(collector)) log.info('memory source recovered', { collector });
      } else {
        faults.set(collector, fault);
        if (kindOf(fault) !== kindOf(before)) log.warn('memory source failed', { collector, error: fault });
      }
      for (const warning of warnings) warnOnce(collector, warning);
    }
    for (const { router, model, pid, residentBytes, gpus: shares } of orphans) {
      const bytes = gpuBytes(shares, gpus) ?? residentBytes;
      if (isNew(`${pid} ${router} ${model}`)) log.warn(ORPHAN, { router, model, pid, bytes });
    }
    for (const { router, model } of contained) {
      if (isNew(`${router} ${model}`)) log.warn(CONTAINED, { router, model });
    }
    if (foreignPids) warnOnce('nvidia-smi', FOREIGN_PIDS);
    hiddenSince = hidden.length > 0 && gpus.length > 0 ? (hiddenSince ?? at) : undefined;
    if (hiddenSince !== undefined && at - hiddenSince >= HIDDEN_MS) {
      warnOnce('processes', `models of ${hidden.join(', ')} are loaded, but not visible here. ${REMEDY}`);
    }
  };
}

/** A router in another container is found only after a listing has shown the ports of its models. */
const HIDDEN_MS = 60_000;

const REMEDY = "In a container, share the machine's process table (pid: host; in a pod, hostPID: true)";

const ORPHAN = 'orphan process of a model holds memory; end it';

const CONTAINED =
  'processes of a model in a container are not found; its memory and unattributed memory are unknown';

const FOREIGN_PIDS =
  'the driver does not list processes by the process IDs of this container: memory per model and unattributed memory are unknown. ' +
  `${REMEDY}. Under WSL the driver reports none`;

/** A fault with another number, such as a duration or an address, is the same fault. */
function kindOf(fault: string | undefined): string | undefined {
  return fault?.replace(/[\w:.-]*\d[\w:.-]*/g, '');
}
