import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { atMost } from '../lib/at-most.ts';
import { failed, ok } from '../lib/result.ts';
import { createListening } from './listening.ts';
import {
  codeOf,
  isAbsence,
  parseModelArguments,
  parseResident,
  parseStat,
  readHead,
  type Stat,
} from './procfs.ts';
import type { ModelProcess, ParentProcess, ProcessId, Usage } from './reading.ts';
import type { Source } from './source.ts';

/** The processes that look like models, and their parents. */
export interface ProcessTable {
  models: readonly ModelProcess[];
  parents: readonly ParentProcess[];
}

/** The table as it is now, with these parents if they still live; and later what its processes use. */
export interface Processes extends Source<ProcessTable, readonly ProcessId[]> {
  /** Only of those that are still the same. */
  usage: Source<readonly Usage[], readonly ModelProcess[]>;
}

/** Files read at once: each holds a thread of Node's few. */
const AT_ONCE = 8;

/**
 * A process that has just been forked still shows its parent's command line: what is no model at the first look
 * may be one later. A reading looks twice, so the third look is an interval after the first.
 */
const LOOKS = 3;

/** Every so many tables, all processes are looked at again: a number may have been given to another one. */
const ALL_EVERY = 24;

const STAT_BYTES = 1024;
const STATUS_BYTES = 4096;
/** Longer than the arguments of a model; what somebody else passes is cut. */
const CMDLINE_BYTES = 32_768;

interface Known {
  startTicks: number;
  looks: number;
  stat: Stat;
  model?: { alias: string; port: number };
}

/**
 * Looks for models among all processes. Most of them are looked at a few times and then only listed, which
 * is what makes a machine with thousands of them cheap; models and their parents are looked at every time.
 */
export function createProcesses(procfs: string): Processes {
  const known = new Map<number, Known>();
  const listening = createListening(procfs);
  let tables = 0;

  return {
    name: 'processes',
    nothing: { models: [], parents: [] },
    async read(routers) {
      let names: string[];
      try {
        names = await readdir(procfs);
      } catch (error) {
        const code = codeOf(error);
        if (isAbsence(code)) return ok({ models: [], parents: [] });
        return failed(`${procfs} cannot be read (${code}): give --path.procfs the machine's /proc`);
      }
      const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
      const listed = new Set(pids);
      for (const pid of known.keys()) if (!listed.has(pid)) known.delete(pid);
      tables += 1;
      const all = tables % ALL_EVERY === 0;
      await atMost(AT_ONCE, all ? pids : pids.filter(deservesLook), look);
      const models = await modelProcesses();
      const parents = new Map(models.map(({ parent }) => [parent.pid, parent]));
      for (const router of routers) if (await isStill(router)) parents.set(router.pid, router);
      return ok({ models, parents: await listening.describe([...parents.values()]) });
    },
    usage: {
      name: 'processes',
      nothing: [],
      async read(models) {
        const usages = await atMost(AT_ONCE, models, usageOf);
        return ok(usages.flatMap((usage) => usage ?? []));
      },
    },
  };

  function deservesLook(pid: number): boolean {
    const before = known.get(pid);
    return before === undefined || before.looks < LOOKS || before.model !== undefined;
  }

  async function look(pid: number): Promise<void> {
    const stat = await statOf(pid);
    if (!stat) {
      known.delete(pid);
      return;
    }
    const before = known.get(pid);
    const isSame = before?.startTicks === stat.startTicks;
    const looks = isSame ? before.looks : 0;
    if (isSame && (before.model || looks >= LOOKS)) {
      known.set(pid, { ...before, stat });
      return;
    }
    const cmdline = await readHead(join(procfs, String(pid), 'cmdline'), CMDLINE_BYTES);
    const model = parseModelArguments(cmdline ?? '');
    known.set(pid, { startTicks: stat.startTicks, looks: looks + 1, stat, ...(model && { model }) });
  }

  async function modelProcesses(): Promise<ModelProcess[]> {
    const found = [...known].filter(([, { model }]) => model !== undefined);
    const processes = await atMost(AT_ONCE, found, async ([pid, { startTicks, stat, model }]) => {
      const parent = await statOf(stat.parentPid);
      if (!parent || !model) return undefined;
      return { pid, startTicks, ...model, parent: { pid: stat.parentPid, startTicks: parent.startTicks } };
    });
    return processes.flatMap((process) => process ?? []);
  }

  async function usageOf({ pid, startTicks }: ModelProcess): Promise<Usage | undefined> {
    const status = await readHead(join(procfs, String(pid), 'status'), STATUS_BYTES);
    // After the figure: who is the same now was the same then.
    const stat = await statOf(pid);
    if (stat?.startTicks !== startTicks) return undefined;
    const residentBytes = parseResident(status ?? '');
    return {
      pid,
      startTicks,
      cpuSeconds: stat.cpuSeconds,
      ...(residentBytes !== undefined && { residentBytes }),
    };
  }

  async function isStill({ pid, startTicks }: ProcessId): Promise<boolean> {
    return (await statOf(pid))?.startTicks === startTicks;
  }

  /** Undefined when it is gone; a zombie is, but for its exit code. */
  async function statOf(pid: number): Promise<Stat | undefined> {
    const stat = parseStat((await readHead(join(procfs, String(pid), 'stat'), STAT_BYTES)) ?? '');
    return stat === undefined || /[ZXx]/.test(stat.state) ? undefined : stat;
  }
}
