import type { ModelProcessHint } from './parents.ts';
import type { Allocation, MeasuredPool, ModelProcess } from './reading.ts';

/** What a driver lists, and what the process table shows. */
export interface PidEvidence {
  /** The process table is that of a container. */
  isConfined: boolean;
  pools: readonly MeasuredPool[];
  allocations: readonly Allocation[];
  /** All processes of the table. */
  pids: ReadonlySet<number>;
  processes: readonly ModelProcess[];
  /** The models of all routers. */
  models: readonly ModelProcessHint[];
}

/** Less is used on an idle card without any process. */
const IDLE_BYTES = 512 * 1024 * 1024;

/**
 * Whether the NVIDIA driver does not list processes by the process IDs of the process table. Pure. Older drivers always
 * list the machine's IDs; newer ones those of the PID namespace in which nvidia-smi runs, without processes outside it.
 * So in a container the table is trusted if every listed process is in it, and one of them is a loaded model.
 */
export function hasForeignPids(evidence: PidEvidence): boolean {
  const { pools, allocations, pids, processes, models } = evidence;
  if (!evidence.isConfined || pools.length === 0) return false;
  if (allocations.some(({ pid }) => !pids.has(pid))) return true;
  const loaded = processes.filter(({ alias }) =>
    models.some((model) => model.isLoaded && (model.id === alias || model.aliases.includes(alias))),
  );
  const isListed = loaded.some(({ pid }) => allocations.some((each) => each.pid === pid));
  return loaded.length > 0 && !isListed && pools.some(({ usedBytes = 0 }) => usedBytes > IDLE_BYTES);
}
