import type { ProcessId } from './reading.ts';

/** CPU time by model, over all of its processes. */
export interface CpuAccount {
  /** Takes what these processes of the model have used since they started, and answers the model's sum so far. */
  add(router: string, model: string, processes: readonly (ProcessId & { cpuSeconds: number })[]): number;
}

/** As many models without a process are remembered for their return. */
const MODELS_KEPT = 2000;

/** As many processes of a model are told apart; older ones have ended and are one sum. */
const PROCESSES_KEPT = 8;

interface Sum {
  ended: number;
  processes: Map<string, number>;
}

/**
 * A new process counts from zero: its time is added to that of the ones before it, so that the model's counter goes
 * on as its other counters do. What a process used after it was last seen is lost.
 */
export function createCpuAccount(): CpuAccount {
  const sums = new Map<string, Sum>();
  return {
    add(router, model, processes) {
      const key = JSON.stringify([router, model]);
      const sum = sums.get(key) ?? { ended: 0, processes: new Map() };
      sums.delete(key); // To be put behind those that are not there any more.
      sums.set(key, sum);
      for (const { pid, startTicks, cpuSeconds } of processes) {
        const process = `${pid} ${startTicks}`;
        const before = sum.processes.get(process) ?? 0;
        sum.processes.delete(process);
        sum.processes.set(process, Math.max(before, cpuSeconds));
      }
      collapse(sum);
      for (const oldest of sums.keys()) {
        if (sums.size <= MODELS_KEPT) break;
        sums.delete(oldest);
      }
      return [...sum.processes.values()].reduce((total, seconds) => total + seconds, sum.ended);
    },
  };
}

function collapse(sum: Sum): void {
  for (const [process, seconds] of sum.processes) {
    if (sum.processes.size <= PROCESSES_KEPT) return;
    sum.ended += seconds;
    sum.processes.delete(process);
  }
}
