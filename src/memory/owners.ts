import { groupBy } from '../lib/group-by.ts';
import type { FoundProcesses } from './followed-processes.ts';
import type { HostMemory, IsOwnHost } from './host.ts';
import { childrenOf } from './model-processes.ts';
import { isLocal, type ModelProcessHint, type Parents, type RouterProcessHint } from './parents.ts';
import {
  type Allocation,
  type GpuMemory,
  type GpuShare,
  isMainPool,
  isSame,
  type MeasuredPool,
  type MemoryReading,
  type ModelMemory,
  type ModelProcess,
  type OrphanMemory,
  type OtherProcess,
  type ProcessId,
  type ProcessUsage,
  sumOf,
} from './reading.ts';

/** Everything that one measurement found. */
export interface Measurement extends Pick<FoundProcesses, 'routers' | 'parents' | 'models' | 'orphans'> {
  /** The parents of the reading before: a router that ended since had models too. */
  formerParents: Parents;
  /** Whether the process table was readable. */
  seesProcesses: boolean;
  /** Of models, orphans and routers that were still the same processes after the drivers were read. */
  usages: readonly ProcessUsage[];
  /** Processes that started while the drivers were read. */
  started: ReadonlySet<number>;
  pools: readonly MeasuredPool[];
  allocations: readonly Allocation[];
  host?: HostMemory | undefined;
  /** The exporter runs in a container: processes of other containers are hidden. */
  isConfined: boolean;
  isOwnHost: IsOwnHost;
}

/** Which memory belongs to which model, to the routers, and to other processes. */
export interface Attribution
  extends Pick<MemoryReading, 'gpus' | 'routers' | 'orphans' | 'contained' | 'here' | 'hidden'> {
  /** All other processes, the largest first. */
  others: readonly Unnamed[];
  models: readonly AttributedModel[];
}

export type Unnamed = Omit<OtherProcess, 'name'>;

export interface AttributedModel extends Omit<ModelMemory, 'cpuSeconds'> {
  processes: readonly ProcessUsage[];
}

/**
 * Attributes memory to the models of the routers. Pure. An allocation counts only if its pid was the same process
 * before and after the driver was read; otherwise it may be another's.
 */
export function attribute(measurement: Measurement): Attribution {
  const { routers, parents, pools, allocations, started, isOwnHost } = measurement;
  const hidden = hiddenRouters(measurement);
  const own = ownProcesses(measurement);
  const ofModels = processesOfModels(measurement);
  const contained = ofModels.filter(({ isContained }) => isContained);
  const isHidden = hidden.length > 0 || contained.length > 0 || mayHideMore(measurement);
  const seesAll = measurement.seesProcesses && !isHidden;
  const others = allocations.filter(({ pid }) => !own.has(pid) && !started.has(pid));
  return {
    gpus: pools.map((pool) => gpuMemory(pool, measurement, own, seesAll)),
    // Without the routers' processes, theirs would be among the others.
    others: seesAll ? otherProcesses(others, pools.filter(isMainPool)) : [],
    models: ofModels.flatMap(({ router, model, processes: own, isContained }) => {
      const processes = usagesOf(own, measurement);
      if (processes.length === 0 || isContained) return [];
      return { router, model, processes, ...heldBy(processes, measurement) };
    }),
    routers: routers.flatMap(({ name, url }) => {
      const process = parents.get(url);
      const own = process ? usagesOf([process], measurement) : [];
      return own.length === 0 ? [] : { router: name, ...heldBy(own, measurement) };
    }),
    orphans: orphanMemory(measurement),
    contained: contained.map(({ router, model }) => ({ router, model })),
    here: routers
      .filter((router) => parents.has(router.url) || isLocal(router, isOwnHost))
      .map(({ name }) => name),
    hidden,
  };
}

/** The pids of all routers and models that ran at some time during the measurement. */
function ownProcesses({ parents, formerParents, models, orphans }: Measurement): Set<number> {
  const routers = [...parents.values(), ...formerParents.values()];
  const children = routers.flatMap((parent) => childrenOf(parent, models));
  const orphaned = orphans.flatMap(({ processes }) => processes);
  return new Set([...routers, ...children, ...orphaned].map(({ pid }) => pid));
}

/** The processes of models that the routers list, by model. A model has two while the old one ends. */
export function processesOfModels(found: Pick<FoundProcesses, 'routers' | 'parents' | 'models'>) {
  const { routers, parents, models } = found;
  return routers.flatMap((router) => {
    const parent = parents.get(router.url);
    const children = parent ? childrenOf(parent, models) : [];
    return [...groupBy(children, (child) => modelOf(child, router.models))].flatMap(([model, processes]) => {
      const isContained = processes.some(({ isContainer }) => isContainer);
      return model === undefined ? [] : { router: router.name, model, processes, isContained };
    });
  });
}

function orphanMemory(measurement: Measurement): OrphanMemory[] {
  return measurement.orphans.flatMap(({ router, model, processes: own, isSure }) => {
    const processes = usagesOf(own, measurement);
    const [root] = own;
    if (root === undefined || processes.length === 0 || !isSure) return [];
    return { router, model, pid: root.pid, ...heldBy(processes, measurement) };
  });
}

function usagesOf(own: readonly ProcessId[], { usages }: Measurement): ProcessUsage[] {
  return usages.filter((usage) => own.some((each) => isSame(each, usage)));
}

function heldBy(processes: readonly ProcessUsage[], { allocations }: Measurement) {
  const residentBytes = sumOf(processes.map((usage) => usage.residentBytes));
  return { residentBytes, gpus: sharesOf(processes, allocations) };
}

/** By the alias of the process, which is the model's id; otherwise by the port, which is new at every load. */
function modelOf({ alias, port }: ModelProcess, models: readonly ModelProcessHint[]): string | undefined {
  const model =
    models.find(({ id }) => id === alias) ??
    models.find(({ aliases }) => aliases.includes(alias)) ??
    models.find((each) => each.isRunning && each.port === port);
  return model?.id;
}

/** Routers with models in memory that may be on this machine and whose processes are not visible. */
function hiddenRouters(measurement: Measurement): string[] {
  return invisibleRouters(measurement)
    .filter((router) => isLocal(router, measurement.isOwnHost) || measurement.isConfined)
    .filter(({ models }) => models.some(({ isRunning }) => isRunning))
    .map(({ name }) => name);
}

/** Whether a container may hide the models of a router that has not answered yet, or does not answer now. */
function mayHideMore(measurement: Measurement): boolean {
  return measurement.isConfined && invisibleRouters(measurement).some(({ isListed }) => !isListed);
}

function invisibleRouters({ routers, parents }: Measurement): RouterProcessHint[] {
  return routers.filter(({ local, url }) => local !== 'no' && !parents.has(url));
}

/**
 * Unattributed memory is the used memory minus the routers' allocations, and never negative: the two are read one
 * after the other. It is unknown if an allocation or a process is unknown, or if a process started or ended meanwhile.
 */
function gpuMemory(
  { hasAllocations, ...pool }: MeasuredPool,
  { allocations, usages, started, host }: Measurement,
  ownProcesses: ReadonlySet<number>,
  seesAll: boolean,
): GpuMemory {
  const hostUsed = host && Math.max(0, host.totalBytes - host.availableBytes);
  const ofHost = { totalBytes: host?.totalBytes, usedBytes: hostUsed };
  const { totalBytes, usedBytes } = pool.pool === 'host' ? ofHost : pool;
  const all = allocations.filter((each) => each.uuid === pool.uuid && each.pool === pool.pool);
  const own = all.filter(({ pid }) => ownProcesses.has(pid));
  const ownedBytes = sumOf([0, ...own.map(({ bytes }) => bytes)]);
  const isStable =
    own.every(({ pid }) => usages.some((usage) => usage.pid === pid)) &&
    !all.some(({ pid }) => started.has(pid));
  const isKnown =
    seesAll && hasAllocations && isStable && usedBytes !== undefined && ownedBytes !== undefined;
  const unownedBytes = isKnown ? Math.max(0, usedBytes - ownedBytes) : undefined;
  return { ...pool, totalBytes, usedBytes, unownedBytes };
}

/** The allocations in these pools by card and process. A process with several counts once. */
function otherProcesses(allocations: readonly Allocation[], pools: readonly MeasuredPool[]): Unnamed[] {
  const listed = allocations.filter(({ uuid, pool }) =>
    pools.some((each) => each.uuid === uuid && each.pool === pool),
  );
  return [...groupBy(listed, ({ uuid, pid }) => `${uuid} ${pid}`).values()]
    .flatMap(([first, ...more]) => {
      if (first === undefined) return [];
      const bytes = more.reduce((sum, each) => sum + (each.bytes ?? 0), first.bytes ?? 0);
      return { uuid: first.uuid, pid: first.pid, bytes };
    })
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes || a.pid - b.pid);
}

/** What these processes hold in each pool; without a pool in which an amount is unknown. */
function sharesOf(processes: readonly ProcessUsage[], allocations: readonly Allocation[]): GpuShare[] {
  const own = allocations.filter(({ pid }) => processes.some((process) => process.pid === pid));
  return [...groupBy(own, ({ uuid, pool }) => `${uuid} ${pool}`).values()].flatMap((all) => {
    const bytes = sumOf(all.map((each) => each.bytes));
    const [first] = all;
    return first && bytes !== undefined ? [{ uuid: first.uuid, pool: first.pool, bytes }] : [];
  });
}
