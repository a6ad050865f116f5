import type { HostMemory, IsOwnHost } from './host.ts';
import {
  childrenOf,
  isLocal,
  type ModelProcessHint,
  type Parents,
  type RouterProcessHint,
} from './parents.ts';
import {
  type Allocation,
  type GpuMemory,
  isSame,
  type MeasuredPool,
  type ModelMemory,
  type ModelProcess,
  type OtherProcess,
  type ProcessId,
  type ProcessUsage,
  type RouterProcessMemory,
} from './reading.ts';

/** Everything that one measurement found. */
export interface Measurement {
  routers: readonly RouterProcessHint[];
  parents: Parents;
  /** Those of the reading before: a router that ended since had models too. */
  formerParents: Parents;
  /** Whether the process table was readable. */
  seesProcesses: boolean;
  /** The model processes before the drivers were read, and after. */
  before: readonly ModelProcess[];
  models: readonly ModelProcess[];
  /** The possible routers before the drivers were read. */
  parentsBefore: readonly ProcessId[];
  /** Of models and routers. */
  usages: readonly ProcessUsage[];
  pools: readonly MeasuredPool[];
  allocations: readonly Allocation[];
  host?: HostMemory | undefined;
  /** The exporter runs in a container: processes of other containers are hidden. */
  isConfined: boolean;
  isOwnHost: IsOwnHost;
}

/** Which memory belongs to which model, to the routers, and to other processes. */
export interface Attribution {
  gpus: readonly AttributedPool[];
  models: readonly AttributedModel[];
  routers: readonly RouterProcessMemory[];
  here: readonly string[];
  hidden: readonly string[];
}

/** `others` are all other processes, the largest first, still without names. */
export interface AttributedPool extends Omit<GpuMemory, 'others'> {
  others: readonly Omit<OtherProcess, 'name'>[];
}

export interface AttributedModel extends Omit<ModelMemory, 'cpuSeconds'> {
  processes: readonly ProcessUsage[];
}

/** A process of a router, and the model it runs; no model if the router does not list it. */
interface OwnedProcess {
  usage: ProcessUsage;
  router: string;
  model: string | undefined;
}

/**
 * Attributes memory to the models of the routers. Pure. An allocation counts only if its pid was the same process
 * before and after the driver was read; otherwise it may be another's.
 */
export function attribute(measurement: Measurement): Attribution {
  const { routers, parents, before, pools, host, isOwnHost } = measurement;
  const hidden = hiddenRouters(measurement);
  const owned = ownedProcesses(measurement);
  const present = owned.filter(({ usage }) => before.some((each) => isSame(each, usage)));
  const stableModels = new Set(present.map(({ usage }) => usage.pid));
  const stableRouters = new Set(unchangedRouters(measurement).map(({ pid }) => pid));
  const stable = new Set([...stableModels, ...stableRouters]);
  const pids = routerPids(measurement);
  const heldBy = (holders: ReadonlySet<number>) =>
    measurement.allocations.filter(({ pid }) => holders.has(pid));
  const seesAll = measurement.seesProcesses && hidden.length === 0 && !mayHideMore(measurement);
  return {
    gpus: pools.map((pool) => gpuMemory(pool, measurement.allocations, { pids, stable, host, seesAll })),
    models: sumByModel(owned, heldBy(stableModels)),
    routers: routers.flatMap(({ name, url }) => {
      const process = parents.get(url);
      if (!process || !stableRouters.has(process.pid)) return [];
      const { residentBytes } = measurement.usages.find((each) => isSame(each, process)) ?? {};
      const gpus = sumByPool(heldBy(new Set([process.pid])));
      return [{ router: name, residentBytes, gpus }];
    }),
    here: routers
      .filter((router) => parents.has(router.url) || isLocal(router, isOwnHost))
      .map(({ name }) => name),
    hidden,
  };
}

/** The pids of all routers and models that ran at some time during the measurement. */
function routerPids({ parents, formerParents, before, models }: Measurement): Set<number> {
  const routers = [...parents.values(), ...formerParents.values()];
  const children = routers.flatMap((parent) => childrenOf(parent, [...before, ...models]));
  return new Set([...routers, ...children].map(({ pid }) => pid));
}

/** The processes of routers that ran before the drivers were read, and after. */
function unchangedRouters({ parents, parentsBefore, usages }: Measurement): ProcessId[] {
  return [...parents.values()].filter((parent) =>
    [parentsBefore, usages].every((processes) => processes.some((each) => isSame(each, parent))),
  );
}

function ownedProcesses({ routers, parents, models, usages }: Measurement): OwnedProcess[] {
  return routers.flatMap((router) => {
    const parent = parents.get(router.url);
    const children = parent ? childrenOf(parent, models) : [];
    return children.flatMap((child) => {
      const usage = usages.find((each) => isSame(each, child));
      return usage ? [{ usage, router: router.name, model: modelOf(child, router.models) }] : [];
    });
  });
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
  allocations: readonly Allocation[],
  { pids, stable, host, seesAll }: Seen,
): AttributedPool {
  const hostUsed = host && Math.max(0, host.totalBytes - host.availableBytes);
  const ofHost = { totalBytes: host?.totalBytes, usedBytes: hostUsed };
  const { totalBytes, usedBytes } = pool.pool === 'host' ? ofHost : pool;
  const all = allocations.filter((each) => each.uuid === pool.uuid && each.pool === pool.pool);
  const own = all.filter(({ pid }) => pids.has(pid));
  const ownedBytes = own.reduce((sum: number | undefined, { bytes }) => add(sum, bytes), 0);
  const isComplete = seesAll && hasAllocations && own.every(({ pid }) => stable.has(pid));
  const isKnown = isComplete && usedBytes !== undefined && ownedBytes !== undefined;
  return {
    ...pool,
    totalBytes,
    usedBytes,
    unownedBytes: isKnown ? Math.max(0, usedBytes - ownedBytes) : undefined,
    // Without the routers' processes, theirs would be among the others.
    others: seesAll ? sumByProcess(all.filter(({ pid }) => !pids.has(pid))) : [],
  };
}

/** Which processes belong to routers, and what else a pool needs to be attributed. */
interface Seen {
  pids: ReadonlySet<number>;
  stable: ReadonlySet<number>;
  host: HostMemory | undefined;
  seesAll: boolean;
}

/** The largest first. A process with several allocations counts once. */
function sumByProcess(allocations: readonly Allocation[]): Omit<OtherProcess, 'name'>[] {
  const sums = new Map<number, number>();
  for (const { pid, bytes = 0 } of allocations) sums.set(pid, (sums.get(pid) ?? 0) + bytes);
  const processes = [...sums].map(([pid, bytes]) => ({ pid, bytes }));
  return processes.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes || a.pid - b.pid);
}

function sumByModel(owned: readonly OwnedProcess[], allocations: readonly Allocation[]): AttributedModel[] {
  const models = new Map<string, AttributedModel>();
  for (const { usage, router, model } of owned) {
    if (model === undefined) continue;
    const key = JSON.stringify([router, model]);
    const before = models.get(key);
    const processes = [...(before?.processes ?? []), usage];
    const own = allocations.filter(({ pid }) => processes.some((each) => each.pid === pid));
    models.set(key, {
      router,
      model,
      residentBytes: before ? add(before.residentBytes, usage.residentBytes) : usage.residentBytes,
      processes,
      gpus: sumByPool(own),
    });
  }
  return [...models.values()];
}

function sumByPool(allocations: readonly Allocation[]): ModelMemory['gpus'] {
  const sums = new Map<string, Omit<Allocation, 'pid'>>();
  for (const { uuid, pool, bytes } of allocations) {
    const key = `${uuid} ${pool}`;
    const before = sums.get(key);
    sums.set(key, { uuid, pool, bytes: before ? add(before.bytes, bytes) : bytes });
  }
  return [...sums.values()].flatMap(({ bytes, ...of }) => (bytes === undefined ? [] : [{ ...of, bytes }]));
}

/** Undefined if one of the two is unknown. */
function add(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}
