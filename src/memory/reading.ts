import { groupBy } from '../lib/group-by.ts';

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
  pciAddress?: string | undefined;
  /** It has no memory of its own: models use all of its pools (APU, GB10, Jetson). Absent: it has. */
  integrated?: boolean | undefined;
  totalBytes?: number | undefined;
  usedBytes?: number | undefined;
  /** Where the driver reserves a part, less than the unused rest; absent: that rest. */
  freeBytes?: number | undefined;
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

/** A process that looks like a router's model: `--alias MODEL --port PORT`, or as the router's listing says. */
export interface ModelProcess extends ProcessId {
  /** Empty: a router's child of which the listing says nothing. */
  alias: string;
  /** 0 if unknown. */
  port: number;
  /** The process of the router, also where processes are between the two. */
  parent: ProcessId;
  /** It is the client of a container engine: the processes of a container are not below it. */
  isContainer?: boolean | undefined;
}

/** A row of the process table. */
export interface TableProcess extends ProcessId {
  parentPid: number;
  group: number;
  session: number;
  /** Each argument ends with \0. Empty if it could not be read, or is too long to keep. */
  cmdline: string;
  /** See ParentProcess; known of what is below a router, or names its port. */
  listens?: ParentProcess['listens'];
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
  /** Used memory that is not attributed to a router or its models; absent if a share of theirs is unknown. */
  unownedBytes?: number | undefined;
}

/** A process that is neither a router nor a model, and its memory on one card. */
export interface OtherProcess {
  /** Of the card. */
  uuid: string;
  pid: number;
  /** The command's name, cut to 15 characters by the kernel. */
  name: string;
  bytes: number;
}

/** A card that was seen before or is known to the driver, and gives no values. */
export interface LostCard {
  gpu?: string | undefined;
  uuid?: string | undefined;
  name?: string | undefined;
  pciAddress?: string | undefined;
  reason: string;
}

/** A card that has been seen since the exporter started. */
export interface Card extends Pick<GpuPool, 'gpu' | 'uuid' | 'name' | 'pciAddress'> {
  collector: string;
  /** Why it gives no values; absent if it does. */
  lost?: string | undefined;
}

/** The usage of a router's own process. */
export interface RouterProcessMemory {
  router: string;
  residentBytes?: number | undefined;
  gpus: readonly GpuShare[];
}

/** What a process uses in one pool. */
export interface GpuShare {
  uuid: string;
  pool: Pool;
  bytes: number;
}

/** The usage of a model's processes. A model has two of them while the old one ends. */
export interface ModelMemory extends RouterProcessMemory {
  model: string;
  /** Of all its processes since the exporter started: never decreases. */
  cpuSeconds: number;
}

/** Processes of a model that are not below its router: memory that no listing shows. The others descend from `pid`. */
export interface OrphanMemory extends RouterProcessMemory {
  model: string;
  pid: number;
}

/** The result of reading one source. */
export interface SourceReport {
  collector: string;
  seconds: number;
  /** Why the reading failed. Missing hardware is not a failure. */
  fault?: string | undefined;
  /** What the source said besides its values. */
  warnings?: readonly string[] | undefined;
  /** The number of its lines that were not understood. */
  malformed?: number | undefined;
}

/** One measurement of this machine. */
export interface MemoryReading {
  /** When it was complete; monotonic milliseconds. */
  at: number;
  reports: readonly SourceReport[];
  gpus: readonly GpuMemory[];
  /** The largest other processes of each card, the largest first. */
  others: readonly OtherProcess[];
  cards: readonly Card[];
  models: readonly ModelMemory[];
  routers: readonly RouterProcessMemory[];
  orphans: readonly OrphanMemory[];
  /** Models whose processes are in a container, where they are not found: their memory is unknown. */
  contained: readonly { router: string; model: string }[];
  /** The NVIDIA driver does not list processes by the process IDs of the process table (containers). */
  foreignPids: boolean;
  /** Routers on this machine: by URL, by configuration, or because their process was found. */
  here: readonly string[];
  /** Routers with loaded models that may be on this machine, but whose process was not found. */
  hidden: readonly string[];
}

/** Whether a pool is the memory of its card. System memory is not, if the card has memory of its own. */
export function isMainPool({ pool, integrated }: Pick<GpuPool, 'pool' | 'integrated'>): boolean {
  return pool !== 'gtt' || integrated === true;
}

/** The memory of one GPU: of its own pool, or of both pools of an APU together. */
export interface CardMemory extends Omit<GpuMemory, 'pool'> {
  pools: readonly GpuMemory[];
}

/** The GPUs of a reading, in its order. */
export function cardMemory(pools: readonly GpuMemory[]): CardMemory[] {
  return [...groupBy(pools, ({ uuid }) => uuid).values()].flatMap((all) => {
    const main = all.filter(isMainPool);
    const [first] = main;
    if (first === undefined) return [];
    const { pool: _, ...card } = first;
    return {
      ...card,
      pools: all,
      totalBytes: sumOf(main.map(({ totalBytes }) => totalBytes)),
      usedBytes: sumOf(main.map(({ usedBytes }) => usedBytes)),
      freeBytes: sumOf(main.map((each) => each.freeBytes ?? restOf(each))),
      unownedBytes: sumOf(main.map(({ unownedBytes }) => unownedBytes)),
    };
  });
}

function restOf({ totalBytes, usedBytes }: GpuMemory): number | undefined {
  return totalBytes === undefined || usedBytes === undefined
    ? undefined
    : Math.max(0, totalBytes - usedBytes);
}

/** What a process uses of each card, by the card's uuid: of the card's own memory, or of both pools of an APU. */
export function sharesByCard(shares: readonly GpuShare[], pools: readonly GpuPool[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { uuid, pool, bytes } of shares) {
    const integrated = pools.find((each) => each.uuid === uuid)?.integrated;
    if (isMainPool({ pool, integrated })) sums.set(uuid, (sums.get(uuid) ?? 0) + bytes);
  }
  return sums;
}

/** What a process uses of all GPUs; undefined if nothing is known. */
export function gpuBytes(shares: readonly GpuShare[], pools: readonly GpuPool[]): number | undefined {
  return sumOf([...sharesByCard(shares, pools).values()]);
}

/** Undefined without values, and if one of them is unknown. */
export function sumOf(values: readonly (number | undefined)[]): number | undefined {
  if (values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce((sum: number, value) => sum + (value ?? 0), 0);
}

export function isSame(one: ProcessId, other: ProcessId | undefined): boolean {
  return other !== undefined && one.pid === other.pid && one.startTicks === other.startTicks;
}

/** Unique among all processes since boot. */
export function processKey({ pid, startTicks }: ProcessId): string {
  return `${pid} ${startTicks}`;
}
