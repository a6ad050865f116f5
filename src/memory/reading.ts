/**
 * Where a GPU's memory is: its own (`vram`), the machine's as far as the GPU may use it (`gtt`), or all of the
 * machine's, where both share it and the driver tells of no other (`host`).
 */
export type Pool = 'vram' | 'gtt' | 'host';

/** One pool of one GPU as its driver tells it. What the driver does not tell is absent. */
export interface GpuPool {
  /** Its number: `index` of nvidia-smi, N of /sys/class/drm/cardN. */
  gpu: string;
  /** The driver's name for this very card, else its PCI address. */
  uuid: string;
  name: string;
  pool: Pool;
  totalBytes?: number;
  usedBytes?: number;
}

/** What one process holds in one pool of one GPU. */
export interface Holding {
  pid: number;
  uuid: string;
  pool: Pool;
  /** Absent where the driver lists the process and does not tell how much it holds. */
  bytes?: number;
}

/** A process as it was at one moment. `startTicks` (since boot) tells it from a later one with its number. */
export interface ProcessId {
  pid: number;
  startTicks: number;
}

/** A process that looks like one of a router's models: `--alias MODEL --port PORT`. */
export interface ModelProcess extends ProcessId {
  alias: string;
  port: number;
  parent: ProcessId;
}

/** What a process used of the machine. */
export interface Usage extends ProcessId {
  residentBytes?: number;
  /** Of all its threads, since it started. */
  cpuSeconds: number;
}

/** The parent of model processes: a router, if anybody knows it. */
export interface ParentProcess extends ProcessId {
  /** Where it listens; absent when the kernel does not let us look (another user's process). */
  listens?: readonly number[];
}

/** One GPU pool as it is published. Bytes. */
export interface GpuMemory extends GpuPool {
  /** Used, less what our models' processes hold; absent when not all of that is known. */
  unownedBytes?: number;
}

/** What one model's processes use. A model has two for a moment, while the old one ends. */
export interface ModelMemory {
  router: string;
  model: string;
  residentBytes?: number;
  /** Of all its processes since we look: it never goes back. */
  cpuSeconds: number;
  gpus: readonly { uuid: string; pool: Pool; bytes: number }[];
}

/** How one source of readings did. */
export interface SourceReport {
  collector: string;
  seconds: number;
  /** What went wrong, for a person; absent when nothing did. Hardware that is not there is no fault. */
  fault?: string;
}

/** What was measured in one go. */
export interface MemoryReading {
  /** When it was complete, in milliseconds since the epoch; everything in it was read after `begunAt`. */
  at: number;
  begunAt: number;
  reports: readonly SourceReport[];
  gpus: readonly GpuMemory[];
  models: readonly ModelMemory[];
  /** Routers on this machine: by their URL, by configuration, or because their process was found. */
  here: readonly string[];
  /** Routers that have models in memory, may be on this machine, and whose process was not found. */
  hidden: readonly string[];
}
