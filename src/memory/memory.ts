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
import { type Reader, startReader } from './reader.ts';
import type { MemoryReading, SourceReport } from './reading.ts';
import { createRouterMemory, type RouterMemory } from './router-memory.ts';
import { askSource, type Source } from './source.ts';

/** What is known of memory on this machine. */
export interface Memory extends Reader<MemoryReading> {
  /** A router's GPUs in the last reading; undefined where nothing measures, or when it is elsewhere. */
  ofRouter(router: string): RouterMemory | undefined;
}

export interface MemoryOptions {
  procfs: string;
  sysfs: string;
  /** The program; empty: none is run. */
  nvidiaSmi: string;
  intervalMs: number;
  /** How long any one source may take. */
  timeoutMs: number;
  /** The routers and what is believed of their models, at this moment. */
  routers(): readonly RouterView[];
  onReading?(reading: MemoryReading): void;
}

/** The pid namespace that a machine starts with has the same number on all of them. */
const OUTERMOST = 'pid:[4026531836]';

/** Measures memory in the background, and on demand. */
export function startMemory(options: MemoryOptions, clock: Clock): Memory {
  const { procfs, sysfs, intervalMs, timeoutMs } = options;
  const nvidiaSmi = options.nvidiaSmi === '' ? undefined : createNvidiaSmi(options.nvidiaSmi, clock);
  const [amdgpu, intel, drmFdinfo] = [createAmdgpu(sysfs), createIntel(sysfs), createDrmFdinfo(procfs)];
  const [processes, host] = [createProcesses(procfs), createHost(procfs)];
  const cpu = createCpuAccount();
  const routerMemory = createRouterMemory();
  let parents: Parents = new Map();
  const reader = startReader<MemoryReading>(
    {
      intervalMs,
      // Two readings in a row may take their full time before the next is there.
      keepMs: 2 * (intervalMs + 2 * timeoutMs),
      read,
      onReading(reading) {
        routerMemory.observe(reading);
        options.onReading?.(reading);
      },
    },
    clock,
  );

  return {
    ...reader,
    ofRouter(router) {
      const reading = reader.reading();
      return reading && routerMemory.of(router, reading);
    },
  };

  async function read(ending: AbortSignal): Promise<MemoryReading> {
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

    const routers = options.routers();
    const isOurHost = ourHost();
    const { parents: candidates, models } = after.facts;
    if (!scanned.fault) parents = findParents(routers, candidates, models, isOurHost, parents);
    const owners = attribute({
      routers,
      parents,
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
