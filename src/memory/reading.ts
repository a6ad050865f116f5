/**
 * A memory pool of a GPU: its own memory (`vram`), the system memory it may use (`gtt`), or all system memory if GPU
 * and CPU share it and the driver reports no other (`host`).
 */
export type Pool = 'vram' | 'gtt' | 'host';

/** One pool of one GPU as its driver reports it. Unknown values are absent. */
export interface GpuPool {
  /** `index` of nvidia-smi, N of /sys/class/drm/cardN. */
  gpu: string;
  /** The driver's identifier of the card, otherwise its PCI address. */
  uuid: string;
  name: string;
  pool: Pool;
  totalBytes?: number | undefined;
  usedBytes?: number | undefined;
}

/** A pool, and whether the driver reports the allocations of every process in it. */
export interface MeasuredPool extends GpuPool {
  hasAllocations: boolean;
}

/** The memory of one process in one pool of one GPU. */
export interface Allocation {
  pid: number;
  uuid: string;
  pool: Pool;
  /** Absent if the driver lists the process without an amount. */
  bytes?: number | undefined;
}

/** A process. `startTicks` (since boot) tells it from a later process with the same pid. */
export interface ProcessId {
  pid: number;
  startTicks: number;
}

/** A process that looks like a router's model: `--alias MODEL --port PORT`. */
export interface ModelProcess extends ProcessId {
  alias: string;
  port: number;
  parent: ProcessId;
}

export interface ProcessUsage extends ProcessId {
  residentBytes?: number | undefined;
  /** Of all its threads since it started. */
  cpuSeconds: number;
}

/** The parent of model processes: possibly a router. */
export interface ParentProcess extends ProcessId {
  /** The ports and Unix sockets it listens on; absent if they are not readable (another user's process). */
  listens?: readonly (number | string)[] | undefined;
}

/** One GPU pool as it is published. */
export interface GpuMemory extends GpuPool {
  /** Used memory that is not attributed to a model; absent if a model's share is unknown. */
  unownedBytes?: number | undefined;
}

/** The usage of a model's processes. A model has two of them while the old one ends. */
export interface ModelMemory {
  router: string;
  model: string;
  residentBytes?: number | undefined;
  /** Of all its processes since the exporter started: never decreases. */
  cpuSeconds: number;
  gpus: readonly { uuid: string; pool: Pool; bytes: number }[];
}

/** The result of reading one source. */
export interface SourceReport {
  collector: string;
  seconds: number;
  /** Why the reading failed. Missing hardware is not a failure. */
  fault?: string | undefined;
}

/** One measurement of this machine. */
export interface MemoryReading {
  /** When it was complete; monotonic milliseconds. */
  at: number;
  reports: readonly SourceReport[];
  gpus: readonly GpuMemory[];
  models: readonly ModelMemory[];
  /** Routers on this machine: by URL, by configuration, or because their process was found. */
  here: readonly string[];
  /** Routers with loaded models that may be on this machine, but whose process was not found. */
  hidden: readonly string[];
}

export function isSame(one: ProcessId, other: ProcessId | undefined): boolean {
  return other !== undefined && one.pid === other.pid && one.startTicks === other.startTicks;
}

/** Unique among all processes since boot. */
export function processKey({ pid, startTicks }: ProcessId): string {
  return `${pid} ${startTicks}`;
}
