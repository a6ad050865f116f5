import { type ProcessUsage, processKey } from './reading.ts';

/** Models that are remembered, the least recently seen first to go. */
const MODELS_KEPT = 2000;

/** Processes of a model that are counted separately; older ones have ended and are summed up. */
const PROCESSES_KEPT = 8;

interface Sum {
  ended: number;
  processes: Map<string, number>;
}

/** The CPU time of a process starts at zero; the model's counter continues across its processes. */
export function createCpuAccount() {
  const sums = new Map<string, Sum>();
  return {
    /** Records the CPU time of the model's processes and returns the model's sum so far. */
    add(router: string, model: string, processes: readonly ProcessUsage[]): number {
      const key = JSON.stringify([router, model]);
      const sum: Sum = sums.get(key) ?? { ended: 0, processes: new Map() };
      sums.delete(key);
      sums.set(key, sum); // Now the most recent one.
      for (const process of processes) record(sum, processKey(process), process.cpuSeconds);
      const [oldest] = sums.keys();
      if (sums.size > MODELS_KEPT && oldest !== undefined) sums.delete(oldest);
      return [...sum.processes.values()].reduce((total, seconds) => total + seconds, sum.ended);
    },
  };
}

function record(sum: Sum, process: string, cpuSeconds: number): void {
  const { processes } = sum;
  const before = processes.get(process) ?? 0;
  processes.delete(process);
  processes.set(process, Math.max(before, cpuSeconds));
  const [oldest] = processes;
  if (processes.size <= PROCESSES_KEPT || oldest === undefined) return;
  processes.delete(oldest[0]);
  sum.ended += oldest[1];
}
