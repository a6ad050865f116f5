import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { createCards, faultOfLost } from './cards.ts';
import { createCpuAccount } from './cpu-account.ts';
import { createAmdgpu, createIntel, onKnownCards } from './drm-cards.ts';
import { createDrmClients } from './drm-clients.ts';
import { createDrmFdinfo } from './drm-fdinfo.ts';
import { withoutForeignPids } from './foreign-pids.ts';
import { createHost, ownHost } from './host.ts';
import { createNvidiaSmi, nvidiaMemory } from './nvidia-smi.ts';
import { withLargest } from './other-processes.ts';
import { attribute } from './owners.ts';
import { findParents, type Parents, type RouterProcessHint } from './parents.ts';
import { createProcesses } from './processes.ts';
import { linkTarget } from './procfs.ts';
import type { GpuPool, LostCard, MemoryReading, SourceReport } from './reading.ts';
import { type Notes, readSource, type Source } from './source.ts';

export interface MachineOptions {
  procfs: string;
  sysfs: string;
  /** The program; empty: not used. */
  nvidiaSmi: string;
  /** How many other processes are named for each GPU. */
  maxOthers: number;
  /** The longest time that a single source may take. */
  timeoutMs: number;
  /** The current state of the routers. */
  routers(): readonly RouterProcessHint[];
}

/** The pid namespace of the machine itself has this number on every Linux (PROC_PID_INIT_INO). */
const HOST_PID_NAMESPACE = 'pid:[4026531836]';

/** Returns a function that measures this machine's memory once. It must not be called again before it resolves. */
export function createMachine(
  options: MachineOptions,
  clock: Clock,
): (ending: AbortSignal) => Promise<MemoryReading> {
  const { procfs, maxOthers } = options;
  const readSources = createSources(options, clock);
  const cpu = createCpuAccount();
  const cards = createCards();
  let parents: Parents = new Map();

  return async (ending) => {
    const found = await readSources(ending, parents);
    const { before, after, nvidia, drm, system } = found;
    const routers = options.routers();
    const isOwnHost = ownHost();
    const { models, parents: candidates } = after.facts;
    const formerParents = parents;
    const seesProcesses = !before.report.fault && !after.report.fault;
    if (seesProcesses) parents = findParents(routers, candidates, models, isOwnHost, parents);
    const usage = await found.readUsage([...models, ...parents.values()]);
    const isConfined = await isContainer(procfs);
    const listed = withoutForeignPids({
      ...nvidia,
      isConfined,
      pids: new Set([...before.facts.pids, ...after.facts.pids]),
      processes: models,
      models: routers.flatMap((router) => router.models),
    });
    const attribution = attribute({
      routers,
      parents,
      formerParents,
      models,
      isConfined,
      isOwnHost,
      seesProcesses: seesProcesses && !usage.report.fault,
      before: before.facts.models,
      parentsBefore: before.facts.parents,
      usages: usage.facts,
      pools: [...listed.pools, ...drm.pools],
      allocations: [...listed.allocations, ...drm.allocations],
      host: system.facts,
    });
    const observed = [...nvidia.cards, ...drm.cards].map(observe);
    return {
      ...attribution,
      at: clock.now(),
      foreignPids: listed.foreignPids,
      reports: [
        ...observed.map(({ report }) => report),
        drm.report,
        combined(before.report, after.report, usage.report),
        system.report,
      ],
      cards: observed.flatMap((each) => each.cards),
      gpus: await withLargest(attribution.gpus, maxOthers, procfs),
      models: attribution.models.map(({ processes: own, ...model }) => ({
        ...model,
        cpuSeconds: cpu.add(model.router, model.model, own),
      })),
    };
  };

  /** Adds the lost cards of a source to its report. After a fault nothing is known of its cards. */
  function observe({ report, pools, lost = [], notes = {} }: FoundCards) {
    const { collector } = report;
    const known = report.fault ? [] : cards.observe({ collector, pools, lost });
    const faults = [report.fault, faultOfLost(known), notes.fault].filter((fault) => fault !== undefined);
    const fault = faults.length === 0 ? undefined : faults.join('; ');
    const { warnings, malformed } = notes;
    return { cards: known, report: { ...report, fault, warnings, malformed: malformed?.length } };
  }
}

/** What a source found of its cards. */
interface FoundCards {
  report: SourceReport;
  pools: readonly GpuPool[];
  lost?: readonly LostCard[];
  notes?: Notes;
}

/** Returns a function that reads all sources: processes, then all others in parallel, then processes again. */
function createSources({ procfs, sysfs, nvidiaSmi, maxOthers, timeoutMs }: MachineOptions, clock: Clock) {
  const smi = nvidiaSmi === '' ? undefined : createNvidiaSmi({ program: nvidiaSmi, procfs }, clock);
  const amdgpu = createAmdgpu(sysfs);
  const intel = createIntel(sysfs);
  const drmClients = createDrmClients(procfs);
  const drmFdinfo = createDrmFdinfo(procfs);
  const processes = createProcesses(procfs);
  const host = createHost(procfs);

  return async (ending: AbortSignal, parents: Parents) => {
    const read = <Facts, Question>(source: Source<Facts, Question>, question: Question) =>
      readSource(source, question, { timeoutMs, clock, ending });
    const before = await read(processes, [...parents.values()]);
    const [nvidia, system, drm] = await Promise.all([readNvidia(), read(host, undefined), readDrm()]);
    const after = await read(processes, [...parents.values()]);
    const readUsage = (question: Parameters<typeof processes.usage.read>[0]) =>
      read(processes.usage, question);
    return { before, after, nvidia, system, drm, readUsage };

    async function readNvidia() {
      if (smi === undefined) return { pools: [], allocations: [], cards: [] };
      const { facts, report } = await read(smi, undefined);
      const memory = nvidiaMemory(facts);
      return { ...memory, cards: [{ report, pools: memory.pools, lost: facts.lost, notes: facts.notes }] };
    }

    /** fdinfo is read only if there is a card. */
    async function readDrm() {
      const [amd, other] = await Promise.all([read(amdgpu, undefined), read(intel, undefined)]);
      const found = [...amd.facts, ...other.facts];
      const own = [...before.facts.models, ...parents.values()].map(({ pid }) => pid);
      const clients = found.length > 0 && maxOthers > 0 ? await drmClients(before.facts.pids) : [];
      // The parent of a model may turn out to be a router, or may be a process of another user.
      const others = [...clients, ...before.facts.parents.map(({ pid }) => pid)];
      const fdinfo = await read(drmFdinfo, found.length > 0 ? { own, others } : NO_PROCESSES);
      const { allocations, notes } = fdinfo.facts;
      const report = { ...fdinfo.report, fault: fdinfo.report.fault ?? notes.fault };
      return {
        pools: found.map((pool) => ({ ...pool, hasAllocations: report.fault === undefined })),
        allocations: onKnownCards(allocations, found),
        cards: [amd, other].map((each): FoundCards => ({ report: each.report, pools: each.facts })),
        report,
      };
    }
  };
}

const NO_PROCESSES = { own: [], others: [] };

/** Whether the exporter's process table is that of a container, which hides other containers' processes. */
async function isContainer(procfs: string): Promise<boolean> {
  const namespace = await linkTarget(join(procfs, 'self/ns/pid'));
  return namespace !== undefined && namespace !== HOST_PID_NAMESPACE;
}

/** One report for several readings of the same source. */
function combined(...reports: readonly [SourceReport, ...SourceReport[]]): SourceReport {
  return {
    collector: reports[0].collector,
    seconds: reports.reduce((sum, { seconds }) => sum + seconds, 0),
    fault: reports.find(({ fault }) => fault !== undefined)?.fault,
  };
}
