import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { createCpuAccount } from './cpu-account.ts';
import { createAmdgpu, createIntel, onKnownCards } from './drm-cards.ts';
import { createDrmFdinfo } from './drm-fdinfo.ts';
import { createHost, ownHost } from './host.ts';
import { createNvidiaSmi, nvidiaMemory } from './nvidia-smi.ts';
import { attribute } from './owners.ts';
import { findParents, type Parents, type RouterProcessHint } from './parents.ts';
import { createProcesses } from './processes.ts';
import { linkTarget } from './procfs.ts';
import type { MemoryReading, SourceReport } from './reading.ts';
import { readSource, type Source } from './source.ts';

export interface MachineOptions {
  procfs: string;
  sysfs: string;
  /** The program; empty: not used. */
  nvidiaSmi: string;
  /** The longest time that a single source may take. */
  timeoutMs: number;
  /** The current state of the routers. */
  routers(): readonly RouterProcessHint[];
}

/** The pid namespace of the machine itself has this number on every Linux. */
const HOST_PID_NAMESPACE = 'pid:[4026531836]';

/** Returns a function that measures this machine's memory once. It must not be called again before it resolves. */
export function createMachine(
  { procfs, sysfs, nvidiaSmi: program, timeoutMs, routers: viewRouters }: MachineOptions,
  clock: Clock,
): (ending: AbortSignal) => Promise<MemoryReading> {
  const nvidiaSmi = program === '' ? undefined : createNvidiaSmi(program, clock);
  const amdgpu = createAmdgpu(sysfs);
  const intel = createIntel(sysfs);
  const drmFdinfo = createDrmFdinfo(procfs);
  const processes = createProcesses(procfs);
  const host = createHost(procfs);
  const cpu = createCpuAccount();
  let parents: Parents = new Map();

  return async (ending) => {
    const read = <Facts, Question>(source: Source<Facts, Question>, question: Question) =>
      readSource(source, question, { timeoutMs, clock, ending });
    const before = await read(processes, [...parents.values()]);
    const [nvidia, system, drm] = await Promise.all([
      nvidiaSmi && read(nvidiaSmi, undefined),
      read(host, undefined),
      readDrm(before.facts.models.map(({ pid }) => pid)),
    ]);
    const after = await read(processes, [...parents.values()]);
    const usage = await read(processes.usage, after.facts.models);
    const processReport = combined(before.report, after.report, usage.report);

    const cards = nvidia ? nvidiaMemory(nvidia.facts) : { pools: [], allocations: [] };
    const routers = viewRouters();
    const isOwnHost = ownHost();
    const { models, parents: candidates } = after.facts;
    const formerParents = parents;
    if (!processReport.fault) parents = findParents(routers, candidates, models, isOwnHost, parents);
    const attribution = attribute({
      routers,
      parents,
      formerParents,
      seesProcesses: !processReport.fault,
      before: before.facts.models,
      models,
      usages: usage.facts,
      pools: [...cards.pools, ...drm.pools],
      allocations: [...cards.allocations, ...drm.allocations],
      host: system.facts,
      isConfined: await isConfined(procfs),
      isOwnHost,
    });
    return {
      ...attribution,
      at: clock.now(),
      reports: [...(nvidia ? [nvidia.report] : []), ...drm.reports, processReport, system.report],
      models: attribution.models.map(({ processes: own, ...model }) => ({
        ...model,
        cpuSeconds: cpu.add(model.router, model.model, own),
      })),
    };

    /** fdinfo is read only if there is a card. */
    async function readDrm(pids: readonly number[]) {
      const [amd, other] = await Promise.all([read(amdgpu, undefined), read(intel, undefined)]);
      const cards = [...amd.facts, ...other.facts];
      const fdinfo = await read(drmFdinfo, cards.length > 0 ? pids : []);
      const hasAllocations = fdinfo.report.fault === undefined;
      return {
        pools: cards.map(({ pciAddress: _, ...pool }) => ({ ...pool, hasAllocations })),
        allocations: onKnownCards(fdinfo.facts, cards),
        reports: [amd.report, other.report, fdinfo.report],
      };
    }
  };
}

/** Whether the exporter's process table is that of a container, which hides other containers' processes. */
async function isConfined(procfs: string): Promise<boolean> {
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
