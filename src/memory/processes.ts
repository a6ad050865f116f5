import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { failed, ok } from '../lib/result.ts';
import { createListening } from './listening.ts';
import {
  isAbsence,
  listFolder,
  parseModelArguments,
  parseResident,
  parseStat,
  readHead,
  type Stat,
} from './procfs.ts';
import type { ModelProcess, ParentProcess, ProcessId, ProcessUsage } from './reading.ts';
import type { Source } from './source.ts';

/** The processes that look like models, and their parents. */
export interface ProcessTable {
  models: readonly ModelProcess[];
  /** Parents of models and other processes of llama-server. */
  parents: readonly ParentProcess[];
  /** All processes. */
  pids: ReadonlySet<number>;
}

/** The current table; `parents` includes the given processes that still run. */
export interface Processes extends Source<ProcessTable, readonly ProcessId[]> {
  /** The usage of those that are still the same process. */
  usage: Source<readonly ProcessUsage[], readonly ProcessId[]>;
}

/** Files read at the same time: each occupies one of Node's few threads. */
const CONCURRENCY = 8;

/**
 * A forked process first shows its parent's command line, so a process that is not a model is inspected a second time,
 * two tables later (one reading takes two tables).
 */
const INSPECTIONS = 2;
const TABLES_BETWEEN = 2;

/** Each process is inspected again within this number of tables: its pid may have been reused. */
const TABLES_FOR_ALL = 60;

const STAT_BYTES = 1024;
const STATUS_BYTES = 4096;
/** Longer than the arguments of any model. */
const CMDLINE_BYTES = 65_536;
const SHORT_CMDLINE_BYTES = 2048;

interface KnownProcess {
  stat: Stat;
  inspections: number;
  /** The table of the last inspection. */
  inspectedIn: number;
  model: { alias: string; port: number } | undefined;
  /** It may be a router that runs no model. */
  isServer: boolean;
}

/**
 * Finds models among all processes. Models are inspected for every table, other processes only a few times: that
 * keeps machines with thousands of processes cheap.
 */
export function createProcesses(procfs: string): Processes {
  const known = new Map<number, KnownProcess>();
  const listening = createListening(procfs);
  let tables = 0;

  return {
    name: 'processes',
    nothing: { models: [], parents: [], pids: new Set() },
    async read(routers) {
      const names = await listFolder(procfs);
      if (!names.ok) {
        if (isAbsence(names.fault)) return ok({ models: [], parents: [], pids: new Set() });
        return failed(`cannot read ${procfs}: ${names.fault}. Set --path.procfs to the machine's /proc`);
      }
      const pids = names.value.filter((name) => /^\d+$/.test(name)).map(Number);
      const listed = new Set(pids);
      for (const pid of known.keys()) if (!listed.has(pid)) known.delete(pid);
      tables += 1;
      await mapLimited(CONCURRENCY, pids.filter(isDue), inspect);
      const models = await modelProcesses();
      const servers = [...known].flatMap(([pid, { stat, isServer }]) => {
        return isServer ? [{ pid, startTicks: stat.startTicks }] : [];
      });
      const parents = new Map(
        [...servers, ...models.map(({ parent }) => parent)].map((each) => [each.pid, each]),
      );
      for (const router of routers) {
        const stat = await readStat(router.pid);
        if (stat?.startTicks === router.startTicks) parents.set(router.pid, router);
      }
      return ok({ models, parents: await listening.describe([...parents.values()]), pids: listed });
    },
    usage: {
      name: 'processes',
      nothing: [],
      async read(models) {
        const usages = await mapLimited(CONCURRENCY, models, readUsage);
        return ok(usages.flatMap((usage) => usage ?? []));
      },
    },
  };

  function isDue(pid: number): boolean {
    const process = known.get(pid);
    if (process === undefined || process.model !== undefined || process.isServer) return true;
    const isYoung = process.inspections < INSPECTIONS && tables - process.inspectedIn >= TABLES_BETWEEN;
    return isYoung || pid % TABLES_FOR_ALL === tables % TABLES_FOR_ALL;
  }

  async function inspect(pid: number): Promise<void> {
    const stat = await readStat(pid);
    if (!stat) {
      known.delete(pid);
      return;
    }
    const before = known.get(pid);
    const isSame = before?.stat.startTicks === stat.startTicks;
    if (isSame && (before.model || before.inspections >= INSPECTIONS)) {
      known.set(pid, { ...before, stat, inspectedIn: tables });
      return;
    }
    const inspections = isSame ? before.inspections + 1 : 1;
    const args = await readArguments(pid);
    const model = parseModelArguments(args);
    const isServer = model === undefined && /^(?:[^\0]*\/)?llama-server\0/.test(args);
    known.set(pid, { stat, inspections, inspectedIn: tables, model, isServer });
  }

  async function modelProcesses(): Promise<ModelProcess[]> {
    // By pid: the order of the samples must not depend on which file was read first.
    const found = [...known].sort(([a], [b]) => a - b);
    const models = found.flatMap(([pid, { stat, model }]) => (model ? [{ pid, stat, model }] : []));
    const processes = await mapLimited(CONCURRENCY, models, async ({ pid, stat, model }) => {
      const parent = await readStat(stat.parentPid);
      const { startTicks, parentPid } = stat;
      return (
        parent && { pid, startTicks, ...model, parent: { pid: parentPid, startTicks: parent.startTicks } }
      );
    });
    return processes.flatMap((process) => process ?? []);
  }

  async function readUsage({ pid, startTicks }: ProcessId): Promise<ProcessUsage | undefined> {
    const status = await readHead(join(procfs, String(pid), 'status'), STATUS_BYTES);
    // Read last: if it is the same process now, it was the same one before.
    const stat = await readStat(pid);
    if (stat?.startTicks !== startTicks) return undefined;
    return { pid, startTicks, cpuSeconds: stat.cpuSeconds, residentBytes: parseResident(status ?? '') };
  }

  /** Nearly all command lines are short: large buffers only where needed. */
  async function readArguments(pid: number): Promise<string> {
    const path = join(procfs, String(pid), 'cmdline');
    const short = (await readHead(path, SHORT_CMDLINE_BYTES)) ?? '';
    if (Buffer.byteLength(short) < SHORT_CMDLINE_BYTES) return short;
    return (await readHead(path, CMDLINE_BYTES)) ?? '';
  }

  /** Undefined if the process has ended, zombies included. */
  async function readStat(pid: number): Promise<Stat | undefined> {
    const stat = parseStat((await readHead(join(procfs, String(pid), 'stat'), STAT_BYTES)) ?? '');
    return stat === undefined || /[ZXx]/.test(stat.state) ? undefined : stat;
  }
}
