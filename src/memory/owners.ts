import type { HostMemory } from './host.ts';
import {
  childrenOf,
  type IsOurHost,
  isLocal,
  isSame,
  type ModelView,
  type Parents,
  type RouterView,
} from './parents.ts';
import type { GpuMemory, GpuPool, Holding, ModelMemory, ModelProcess, ProcessId, Usage } from './reading.ts';

/** All that was seen in one reading. */
export interface Evidence {
  routers: readonly RouterView[];
  parents: Parents;
  /** As they were in the reading before: one that has ended meanwhile had models, too. */
  formerParents: Parents;
  /** Whether the processes could be read at all. */
  seesProcesses: boolean;
  /** The processes before anything else was read, and after it, with what they used then. */
  before: readonly ModelProcess[];
  models: readonly ModelProcess[];
  usages: readonly Usage[];
  pools: readonly MeasuredPool[];
  holdings: readonly Holding[];
  host?: HostMemory;
  /** A process of a router that is not here by its URL may be hidden from us (a container). */
  isConfined: boolean;
  /** Whether a host's name or address is this machine's. */
  isOurHost: IsOurHost;
}

export interface MeasuredPool extends GpuPool {
  /** Whether it is known what each process holds in it. */
  tellsHoldings: boolean;
}

/** Whose bytes they are. */
export interface Owners {
  gpus: readonly GpuMemory[];
  models: readonly OwnedModel[];
  here: readonly string[];
  hidden: readonly string[];
}

export interface OwnedModel extends Omit<ModelMemory, 'cpuSeconds'> {
  processes: readonly Usage[];
}

/** A process of ours, and for which model it counts. */
interface Owner {
  usage: Usage;
  router: string;
  /** Absent for what the router does not list (any more): ours, and nobody's. */
  model?: string;
}

/**
 * Attributes what processes use to the models of the routers. Pure. What a driver says of a process number counts
 * when that process was there, as the same one, before and after the driver was asked: else it may be another's.
 */
export function attribute(evidence: Evidence): Owners {
  const { routers, before, pools, host, seesProcesses } = evidence;
  const hidden = hiddenRouters(evidence);
  const owners = findOwners(evidence);
  const sure = new Set(
    owners
      .map(({ usage }) => usage)
      .filter(wasThere(before))
      .map(({ pid }) => pid),
  );
  const pids = ourPids(evidence);
  const ours = evidence.holdings.filter(({ pid }) => pids.has(pid));
  const seesAll = seesProcesses && hidden.length === 0;
  return {
    gpus: pools.map((pool) => publish(pool, ours, sure, host, seesAll)),
    models: sumByModel(
      owners,
      ours.filter(({ pid }) => sure.has(pid)),
    ),
    here: routers.filter((router) => isHere(router, evidence)).map(({ name }) => name),
    hidden,
  };
}

function wasThere(before: readonly ModelProcess[]): (process: ProcessId) => boolean {
  return (process) => before.some((each) => isSame(each, process));
}

/** The numbers of all processes that were a router's at one time of the reading. */
function ourPids({ parents, formerParents, before, models }: Evidence): Set<number> {
  const routers = [...parents.values(), ...formerParents.values()];
  const children = routers.flatMap((parent) => childrenOf(parent, [...before, ...models]));
  return new Set(children.map(({ pid }) => pid));
}

function isHere(router: RouterView, { parents, isOurHost }: Evidence): boolean {
  return parents.has(router.url) || isLocal(router, isOurHost);
}

function findOwners({ routers, parents, models, usages }: Evidence): Owner[] {
  return routers.flatMap((router) => {
    const parent = parents.get(router.url);
    if (!parent) return [];
    return childrenOf(parent, models).flatMap((process) => {
      const usage = usages.find((each) => isSame(each, process));
      const model = modelOf(process, router.models);
      return usage ? [{ usage, router: router.name, ...(model !== undefined && { model }) }] : [];
    });
  });
}

/** By the name it was started with, which is the model's id; else by its port, new at every load. */
function modelOf({ alias, port }: ModelProcess, models: readonly ModelView[]): string | undefined {
  const named =
    models.find(({ id }) => id === alias) ?? models.find(({ aliases }) => aliases.includes(alias));
  return (named ?? models.find((model) => model.isRunning && model.port === port))?.id;
}

/** Routers with models in memory that may be here, and whose processes we do not see. */
function hiddenRouters({ routers, parents, isConfined, isOurHost }: Evidence): string[] {
  return routers
    .filter((router) => router.local !== 'no' && !parents.has(router.url))
    .filter((router) => isLocal(router, isOurHost) || isConfined)
    .filter(({ models }) => models.some(({ isRunning }) => isRunning))
    .map(({ name }) => name);
}

/**
 * Unowned is what is left when our processes' shares are taken from what is used. It is never below zero: the two
 * are read one after the other, and drivers round. There is none when a share is not told, a process is not seen,
 * or one of ours came or went meanwhile: its share would show as somebody else's.
 */
function publish(
  { tellsHoldings, ...pool }: MeasuredPool,
  ours: readonly Holding[],
  sure: ReadonlySet<number>,
  host: HostMemory | undefined,
  seesAll: boolean,
): GpuMemory {
  const { totalBytes, usedBytes } = pool.pool === 'host' ? amounts(host) : pool;
  const here = ours.filter(({ uuid, pool: each }) => uuid === pool.uuid && each === pool.pool);
  const owned = here.reduce((sum: number | undefined, { bytes }) => add(sum, bytes), 0);
  const isSure = seesAll && tellsHoldings && here.every(({ pid }) => sure.has(pid));
  return {
    ...pool,
    ...(totalBytes !== undefined && { totalBytes }),
    ...(usedBytes !== undefined && { usedBytes }),
    ...(isSure &&
      usedBytes !== undefined &&
      owned !== undefined && { unownedBytes: Math.max(0, usedBytes - owned) }),
  };
}

function amounts(host: HostMemory | undefined): { totalBytes?: number; usedBytes?: number } {
  if (!host) return {};
  const { totalBytes, availableBytes } = host;
  return { totalBytes, usedBytes: Math.max(0, totalBytes - availableBytes) };
}

function sumByModel(owners: readonly Owner[], holdings: readonly Holding[]): OwnedModel[] {
  const models = new Map<string, OwnedModel>();
  for (const { usage, router, model } of owners) {
    if (model === undefined) continue;
    const key = JSON.stringify([router, model]);
    const before = models.get(key);
    const residentBytes = before ? add(before.residentBytes, usage.residentBytes) : usage.residentBytes;
    const processes = [...(before?.processes ?? []), usage];
    const own = holdings.filter(({ pid }) => processes.some((each) => each.pid === pid));
    models.set(key, {
      router,
      model,
      ...(residentBytes !== undefined && { residentBytes }),
      processes,
      gpus: sumByPool(own),
    });
  }
  return [...models.values()];
}

function sumByPool(holdings: readonly Holding[]): ModelMemory['gpus'] {
  const sums = new Map<string, Omit<Holding, 'pid'>>();
  for (const { uuid, pool, bytes } of holdings) {
    const before = sums.get(`${uuid} ${pool}`);
    const sum = before ? add(before.bytes, bytes) : bytes;
    sums.set(`${uuid} ${pool}`, { uuid, pool, ...(sum !== undefined && { bytes: sum }) });
  }
  return [...sums.values()].flatMap(({ bytes, ...of }) => (bytes === undefined ? [] : [{ ...of, bytes }]));
}

/** A sum of which one part is not known is not known. */
function add(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}
