import { keepLatest } from '../lib/keep-latest.ts';
import { type ProcessUsage, processKey } from './reading.ts';

const MODELS_KEPT = 2000;

/** A process may be missing in a reading, so ended ones are kept for a while too. */
const PROCESSES_KEPT = 8000;

/** The CPU time of a process starts at zero; the model's counter continues across its processes. */
export function createCpuAccount() {
  const sums = new Map<string, number>();
  const counted = new Map<string, number>();
  /** Records the CPU time of the model's processes and returns the model's sum so far. */
  return (router: string, model: string, processes: readonly ProcessUsage[]): number => {
    const key = JSON.stringify([router, model]);
    let sum = sums.get(key) ?? 0;
    for (const process of processes) {
      const id = `${key} ${processKey(process)}`;
      const before = counted.get(id) ?? 0;
      sum += Math.max(0, process.cpuSeconds - before);
      keepLatest(counted, id, Math.max(before, process.cpuSeconds), PROCESSES_KEPT);
    }
    keepLatest(sums, key, sum, MODELS_KEPT);
    return sum;
  };
}
