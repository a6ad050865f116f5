import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok } from '../lib/result.ts';
import { createListening } from './listening.ts';
import { isAbsence, parseModelArguments, parseResident, parseStat, readHead, type Stat } from './procfs.ts';
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
 * may be one at the second, so many tables later. A reading takes two tables.
 */
const LOOKS = 2;
const TABLES_BETWEEN = 2;

/** Within so many tables each process is looked at again, some each time: its number may be another's by now. */
const TABLES_TO_ALL = 60;

const STAT_BYTES = 1024;
const STATUS_BYTES = 4096;
/** Longer than the arguments of a model; what somebody else passes is cut. */
const CMDLINE_BYTES = 65_536;
const SHORT_BYTES = 2048;

interface Known {
  startTicks: number;
  looks: number;
  /** The table of the last look. */
  seenIn: number;
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
      await mapLimited(AT_ONCE, pids.filter(deservesLook), look);
      const models = await modelProcesses();
      const parents = new Map(models.map(({ parent }) => [parent.pid, parent]));
      for (const router of routers) if (await isStill(router)) parents.set(router.pid, router);
      return ok({ models, parents: await listening.describe([...parents.values()]) });
    },
    usage: {
      name: 'processes',
      nothing: [],
      async read(models) {
        const usages = await mapLimited(AT_ONCE, models, usageOf);
        return ok(usages.flatMap((usage) => usage ?? []));
      },
    },
  };

  function deservesLook(pid: number): boolean {
    const before = known.get(pid);
    if (before === undefined || before.model !== undefined) return true;
    const isYoung = before.looks < LOOKS && tables - before.seenIn >= TABLES_BETWEEN;
    return isYoung || pid % TABLES_TO_ALL === tables % TABLES_TO_ALL;
  }

  async function look(pid: number): Promise<void> {
    const stat = await statOf(pid);
    if (!stat) {
      known.delete(pid);
      return;
    }
    const before = known.get(pid);
    const isSame = before?.startTicks === stat.startTicks;
    if (isSame && (before.model || before.looks >= LOOKS)) {
      known.set(pid, { ...before, stat, seenIn: tables });
      return;
    }
    const looks = isSame ? before.looks + 1 : 1;
    const model = parseModelArguments(await argumentsOf(pid));
    known.set(pid, { startTicks: stat.startTicks, looks, seenIn: tables, stat, ...(model && { model }) });
  }

  /** Nearly all command lines are short: room for a long one is made only when it is needed. */
  async function argumentsOf(pid: number): Promise<string> {
    const path = join(procfs, String(pid), 'cmdline');
    const short = (await readHead(path, SHORT_BYTES)) ?? '';
    return Buffer.byteLength(short) < SHORT_BYTES ? short : ((await readHead(path, CMDLINE_BYTES)) ?? '');
  }

  async function modelProcesses(): Promise<ModelProcess[]> {
    // In an order that does not depend on which file was read first: unchanged rows are not written again.
    const found = [...known].filter(([, { model }]) => model !== undefined).sort(([a], [b]) => a - b);
    const processes = await mapLimited(AT_ONCE, found, async ([pid, { startTicks, stat, model }]) => {
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
