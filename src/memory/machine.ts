import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { createAmdgpu } from './amdgpu.ts';
import { createCpuAccount } from './cpu-account.ts';
import { createDrmFdinfo } from './drm-fdinfo.ts';
import { createHost } from './host.ts';
import { createIntel } from './intel.ts';
import { createNvidiaSmi } from './nvidia-smi.ts';
import { ourHost } from './our-host.ts';
import { attribute } from './owners.ts';
import { findParents, type Parents, type RouterView } from './parents.ts';
import { drmHoldings, drmPools, nvidiaHoldings, nvidiaPools } from './pools.ts';
import { createProcesses } from './processes.ts';
import { linkTarget } from './procfs.ts';
import type { MemoryReading, SourceReport } from './reading.ts';
import { askSource, type Source } from './source.ts';

export interface MachineOptions {
  procfs: string;
  sysfs: string;
  /** The program; empty: none is run. */
  nvidiaSmi: string;
  /** How long any one source may take. */
  timeoutMs: number;
  /** The routers and what is believed of their models, at this moment. */
  routers(): readonly RouterView[];
}

/** The pid namespace that a machine starts with has the same number on all of them. */
const OUTERMOST = 'pid:[4026531836]';

/** Returns what measures the memory of this machine once. One measurement at a time. */
export function createMachine(
  { procfs, sysfs, nvidiaSmi: program, timeoutMs, routers: viewRouters }: MachineOptions,
  clock: Clock,
): (ending: AbortSignal) => Promise<MemoryReading> {
  const nvidiaSmi = program === '' ? undefined : createNvidiaSmi(program, clock);
  const [amdgpu, intel, drmFdinfo] = [createAmdgpu(sysfs), createIntel(sysfs), createDrmFdinfo(procfs)];
  const [processes, host] = [createProcesses(procfs), createHost(procfs)];
  const cpu = createCpuAccount();
  let parents: Parents = new Map();
  return measure;

  async function measure(ending: AbortSignal): Promise<MemoryReading> {
    const ask = <Facts, Question>(source: Source<Facts, Question>, question: Question) =>
      askSource(source, question, { timeoutMs, clock, ending });
    const begunAt = clock.now();
    const before = await ask(processes, [...parents.values()]);
    const [cards, machine, drm] = await Promise.all([
      nvidiaSmi && ask(nvidiaSmi, undefined),
      ask(host, undefined),
      readDrm(before.facts.models.map(({ pid }) => pid)),
    ]);
    const after = await ask(processes, [...parents.values()]);
    const usage = await ask(processes.usage, after.facts.models);
    const scanned = inOne([before.report, after.report, usage.report]);

    const routers = viewRouters();
    const isOurHost = ourHost();
    const { parents: candidates, models } = after.facts;
    const formerParents = parents;
    if (!scanned.fault) parents = findParents(routers, candidates, models, isOurHost, parents);
    const owners = attribute({
      routers,
      parents,
      formerParents,
      seesProcesses: !scanned.fault,
      before: before.facts.models,
      models,
      usages: usage.facts,
      pools: [...nvidiaPools(cards?.facts), ...drmPools(drm.pools, drm.fdinfo.report.fault === undefined)],
      holdings: [...nvidiaHoldings(cards?.facts), ...drmHoldings(drm.pools, drm.fdinfo.facts)],
      ...(machine.facts && { host: machine.facts }),
      isConfined: await isConfined(),
      isOurHost,
    });
    return {
      at: clock.now(),
      begunAt,
      reports: [...(cards ? [cards.report] : []), ...drm.reports, scanned, machine.report],
      ...owners,
      models: owners.models.map(({ processes: own, ...model }) => ({
        ...model,
        cpuSeconds: cpu.add(model.router, model.model, own),
      })),
    };

    /** Without such a card there is nothing that its driver could tell of a process. */
    async function readDrm(pids: readonly number[]) {
      const [amd, other] = await Promise.all([ask(amdgpu, undefined), ask(intel, undefined)]);
      const pools = [...amd.facts, ...other.facts];
      const fdinfo = await ask(drmFdinfo, pools.length > 0 ? pids : []);
      return { pools, fdinfo, reports: [amd.report, other.report, fdinfo.report] };
    }
  }

  /** In a container with a process table of its own, other containers' processes are hidden from us. */
  async function isConfined(): Promise<boolean> {
    return ((await linkTarget(join(procfs, 'self/ns/pid'))) ?? OUTERMOST) !== OUTERMOST;
  }
}

/** The same source, asked several times. */
function inOne(reports: readonly SourceReport[]): SourceReport {
  const [{ collector } = { collector: '' }] = reports;
  const seconds = reports.reduce((sum, report) => sum + report.seconds, 0);
  const fault = reports.find((report) => report.fault !== undefined)?.fault;
  return { collector, seconds, ...(fault !== undefined && { fault }) };
}
