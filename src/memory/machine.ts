import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { groupBy } from '../lib/group-by.ts';
import { createCards, faultOfLost } from './cards.ts';
import { createCpuAccount } from './cpu-account.ts';
import { createAmdgpu, createIntel, onKnownCards } from './drm-cards.ts';
import { createDrmClients, createDrmFdinfo } from './drm-fdinfo.ts';
import { createFollowedProcesses } from './followed-processes.ts';
import { hasForeignPids } from './foreign-pids.ts';
import { createHost, ownHost } from './host.ts';
import { createNvidiaSmi } from './nvidia-smi.ts';
import { attribute, type Unnamed } from './owners.ts';
import type { RouterProcessHint } from './parents.ts';
import { createProcesses, type ProcessTable } from './processes.ts';
import { linkTarget, readHead } from './procfs.ts';
import type {
  GpuPool,
  LostCard,
  MeasuredPool,
  MemoryReading,
  OtherProcess,
  ProcessId,
  SourceReport,
} from './reading.ts';
import { readSource, type Source, type SourceResult } from './source.ts';

export interface MachineOptions {
  procfs: string;
  sysfs: string;
  /** The program; empty: not used. */
  nvidiaSmi: string;
  /** How many other processes are named for each GPU. */
  maxOthers: number;
  /** The longest time that a single source may take. */
  timeoutMs: number;
  routers(): readonly RouterProcessHint[];
}

/** The pid namespace of the machine itself has this number on every Linux (PROC_PID_INIT_INO). */
const HOST_PID_NAMESPACE = 'pid:[4026531836]';

/** Returns a function that measures this machine's memory once. It must not be called again before it resolves. */
export function createMachine(
  options: MachineOptions,
  clock: Clock,
): (ending: AbortSignal) => Promise<MemoryReading> {
  const { procfs, maxOthers, timeoutMs } = options;
  const processes = createProcesses(procfs);
  const host = createHost(procfs);
  const cardSources = createCardSources(options, clock);
  const addCpu = createCpuAccount();
  const cards = createCards();
  const followed = createFollowedProcesses();

  return async (ending) => {
    const read: ReadSource = (source, question) => readSource(source, question, { timeoutMs, clock, ending });
    const table = await read(processes, followed.routers());
    const routers = options.routers();
    const isOwnHost = ownHost();
    const found = followed.find(routers, table.facts, isOwnHost);
    const [nvidia, drm, system] = await Promise.all([
      cardSources.readNvidia(read),
      cardSources.readDrm(read, table.facts, found.own),
      read(host, undefined),
    ]);
    const now = await read(processes.now, found.own);
    const seesProcesses = !table.report.fault && !now.report.fault;
    const kept = followed.keep(found, seesProcesses ? now.facts.usages : undefined);
    const isConfined = await isContainer(procfs);
    const started = new Set([...now.facts.pids].filter((pid) => !table.facts.pids.has(pid)));
    const pids = new Set([...table.facts.pids, ...started]);
    const models = routers.flatMap((router) => router.models);
    const foreignPids = hasForeignPids({ ...nvidia, isConfined, pids, processes: found.models, models });
    const listed = foreignPids ? withoutAllocations(nvidia.pools) : nvidia;
    const attribution = attribute({
      ...found,
      ...kept,
      isConfined,
      isOwnHost,
      seesProcesses,
      started,
      usages: now.facts.usages,
      pools: [...listed.pools, ...drm.pools],
      allocations: [...listed.allocations, ...drm.allocations],
      host: system.facts,
    });
    const observed = [...nvidia.cards, ...drm.cards].map(observe);
    return {
      ...attribution,
      at: clock.now(),
      foreignPids,
      reports: [
        ...observed.map(({ report }) => report),
        drm.report,
        combined(table.report, now.report),
        system.report,
      ],
      cards: observed.flatMap((each) => each.cards),
      others: await namedProcesses(attribution.others, maxOthers, procfs),
      models: attribution.models.map(({ processes: own, ...model }) => ({
        ...model,
        cpuSeconds: addCpu(model.router, model.model, own),
      })),
    };
  };

  /** Adds the lost cards of a source to its report. After a fault nothing is known of its cards. */
  function observe({ ok, report, pools, lost = [] }: FoundCards) {
    const known = ok ? cards.observe({ collector: report.collector, pools, lost }) : [];
    const faults = [faultOfLost(known), report.fault].filter((fault) => fault !== undefined);
    return { cards: known, report: { ...report, fault: faults.join('; ') || undefined } };
  }
}

type ReadSource = <Facts, Question>(
  source: Source<Facts, Question>,
  question: Question,
) => Promise<SourceResult<Facts>>;

interface FoundCards extends Omit<SourceResult<unknown>, 'facts'> {
  pools: readonly GpuPool[];
  lost?: readonly LostCard[];
}

/** The sources of cards, and of the allocations on them. */
function createCardSources({ procfs, sysfs, nvidiaSmi, maxOthers }: MachineOptions, clock: Clock) {
  const smi = nvidiaSmi === '' ? undefined : createNvidiaSmi({ program: nvidiaSmi, procfs }, clock);
  const amdgpu = createAmdgpu(sysfs);
  const intel = createIntel(sysfs);
  const drmClients = createDrmClients(procfs);
  const drmFdinfo = createDrmFdinfo(procfs);

  return { readNvidia, readDrm };

  async function readNvidia(read: ReadSource) {
    if (smi === undefined) return { pools: [], allocations: [], cards: [] };
    const { facts, ...result } = await read(smi, undefined);
    return { pools: facts.pools, allocations: facts.allocations, cards: [{ ...result, ...facts }] };
  }

  /** fdinfo is read only if there is a card. */
  async function readDrm(read: ReadSource, table: ProcessTable, ownProcesses: readonly ProcessId[]) {
    const [amd, other] = await Promise.all([read(amdgpu, undefined), read(intel, undefined)]);
    const found = [...amd.facts, ...other.facts];
    const own = ownProcesses.map(({ pid }) => pid);
    const clients = found.length > 0 && maxOthers > 0 ? await drmClients(table) : [];
    // The parent of a model may turn out to be a router, or may be a process of another user.
    const others = [...clients, ...table.parents.map(({ pid }) => pid)];
    const question = found.length > 0 ? { own, others } : { own: [], others: [] };
    const { facts, report } = await read(drmFdinfo, question);
    return {
      pools: found.map((pool) => ({ ...pool, hasAllocations: report.fault === undefined })),
      allocations: onKnownCards(facts, found),
      cards: [amd, other].map(({ facts: pools, ...result }): FoundCards => ({ ...result, pools })),
      report,
    };
  }
}

function withoutAllocations(pools: readonly MeasuredPool[]) {
  return { pools: pools.map((pool) => ({ ...pool, hasAllocations: false })), allocations: [] };
}

/** Longer than the name of any command. */
const COMM_BYTES = 64;

/** Keeps the first processes of each card, at most `max`, and names them; the name is empty if one is not visible. */
function namedProcesses(processes: readonly Unnamed[], max: number, procfs: string): Promise<OtherProcess[]> {
  const kept = [...groupBy(processes, ({ uuid }) => uuid).values()].flatMap((all) => all.slice(0, max));
  return Promise.all(
    kept.map(async (process) => {
      const comm = await readHead(join(procfs, String(process.pid), 'comm'), COMM_BYTES).catch(() => '');
      return { ...process, name: (comm ?? '').trim() };
    }),
  );
}

/** Whether the exporter's process table is that of a container, which hides other containers' processes. */
async function isContainer(procfs: string): Promise<boolean> {
  const namespace = await linkTarget(join(procfs, 'self/ns/pid'));
  return namespace !== undefined && namespace !== HOST_PID_NAMESPACE;
}

/** One report for two readings of the same source. */
function combined(first: SourceReport, second: SourceReport): SourceReport {
  return { ...first, seconds: first.seconds + second.seconds, fault: first.fault ?? second.fault };
}
