import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { createTree, descendantsOf, type ProcessTree } from './process-tree.ts';
import {
  CONCURRENCY,
  isAbsence,
  listFolder,
  parseKibibytes,
  parseModelArguments,
  parseStat,
  readHead,
  readWhole,
  type Stat,
  withListening,
} from './procfs.ts';
import type { ModelProcess, ParentProcess, ProcessId, ProcessUsage, TableProcess } from './reading.ts';
import type { Source } from './source.ts';

/** The processes that look like models, and their parents. */
export interface ProcessTable {
  models: readonly ModelProcess[];
  /** Parents of models, other processes of llama-server and llama-swap, and routers found before. */
  parents: readonly ParentProcess[];
  /** All processes. Those that have been seen below a server have their parents of now. */
  tree: ProcessTree;
  /** All processes. */
  pids: ReadonlySet<number>;
  /** Those that were inspected for this table: new ones at once, others now and then. */
  inspected: readonly number[];
}

/** Those of the given processes that are still the same, and the pids of all. */
export interface ProcessesNow {
  usages: readonly ProcessUsage[];
  pids: ReadonlySet<number>;
}

/**
 * A source of the process table; the question is the routers found before. `now` is read after the drivers: what they
 * listed counts for these processes.
 */
export interface Processes extends Source<ProcessTable, readonly ProcessId[] | undefined> {
  now: Source<ProcessesNow, readonly ProcessId[]>;
}

/**
 * A forked process first shows its parent's command line, so a process that is not a model is inspected a second time
 * for the next table.
 */
const INSPECTIONS = 2;

/** Each process is inspected again within this number of tables: its pid may have been reused. */
const TABLES_FOR_ALL = 60;

/** Longer command lines are not kept. */
const MAX_CMDLINE = 32_768;

const STAT_BYTES = 1024;
const STATUS_BYTES = 4096;

interface KnownProcess {
  stat: Stat;
  inspections: number;
  cmdline: string;
  model: { alias: string; port: number } | undefined;
  /** It may be a router that runs no model. */
  isServer: boolean;
  /** It has been seen below a router. */
  isFollowed: boolean;
}

/**
 * Finds models among all processes. Models are inspected for every table, other processes only a few times: that
 * keeps machines with thousands of processes cheap.
 */
export function createProcesses(procfs: string): Processes {
  const known = new Map<number, KnownProcess>();
  let tables = 0;

  return {
    name: 'processes',
    nothing: { models: [], parents: [], tree: createTree([]), pids: new Set(), inspected: [] },
    async read(routers = []) {
      const pids = await listPids();
      if (!pids.ok) return pids;
      for (const pid of known.keys()) if (!pids.value.has(pid)) known.delete(pid);
      tables += 1;
      const inspected = [...pids.value].filter(isDue);
      await mapLimited(CONCURRENCY, inspected, inspect);
      const models = await modelProcesses();
      const servers = [...known].flatMap(([pid, { stat, isServer }]) => {
        return isServer ? [{ pid, startTicks: stat.startTicks }] : [];
      });
      const former = routers.filter(({ pid, startTicks }) => known.get(pid)?.stat.startTicks === startTicks);
      const parents = new Map(
        [...former, ...servers, ...models.map(({ parent }) => parent)].map((each) => [each.pid, each]),
      );
      return ok({
        models,
        parents: await withListening([...parents.values()], procfs),
        tree: await processTree([...former, ...servers]),
        pids: pids.value,
        inspected,
      });
    },
    now: {
      name: 'processes',
      nothing: { usages: [], pids: new Set() },
      async read(processes) {
        const pids = await listPids();
        if (!pids.ok) return pids;
        const usages = await mapLimited(CONCURRENCY, processes, readUsage);
        return ok({ usages: usages.flatMap((usage) => usage ?? []), pids: pids.value });
      },
    },
  };

  /** None on a machine without /proc. */
  async function listPids(): Promise<Result<Set<number>, string>> {
    const names = await listFolder(procfs);
    if (names.ok) return ok(new Set(names.value.filter((name) => /^\d+$/.test(name)).map(Number)));
    if (isAbsence(names.fault)) return ok(new Set());
    return failed(`cannot read ${procfs}: ${names.fault}. Set --path.procfs to the machine's /proc`);
  }

  function isDue(pid: number): boolean {
    const process = known.get(pid);
    if (process === undefined || process.model !== undefined) return true;
    if (process.isServer || process.isFollowed) return true;
    return process.inspections < INSPECTIONS || pid % TABLES_FOR_ALL === tables % TABLES_FOR_ALL;
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
      known.set(pid, { ...before, stat });
      return;
    }
    const args = (await readWhole(join(procfs, String(pid), 'cmdline'))) ?? '';
    const model = parseModelArguments(args);
    const isServer = model === undefined && /^(?:[^\0]*\/)?llama-(?:server|swap)\0/.test(args);
    const inspections = isSame ? before.inspections + 1 : 1;
    const isFollowed = isSame && before.isFollowed;
    const kept = args.length > MAX_CMDLINE ? '' : args;
    known.set(pid, { stat, inspections, cmdline: kept, model, isServer, isFollowed });
  }

  /** With the ports of what is below servers, unless arguments name them. */
  async function processTree(servers: readonly ProcessId[]): Promise<ProcessTree> {
    const rows = [...known].map(([pid, { stat, cmdline, model }]): TableProcess => {
      const { startTicks, parentPid, group, session } = stat;
      const listens = model && [model.port];
      return { pid, startTicks, parentPid, group, session, cmdline, listens };
    });
    const tree = createTree(rows);
    const below = new Set(servers.flatMap((server) => descendantsOf(server, tree)));
    for (const { pid } of [...servers, ...below]) {
      const process = known.get(pid);
      if (process) process.isFollowed = true;
    }
    const unnamed = [...below].filter(({ listens }) => listens === undefined);
    for (const { pid, listens } of await withListening(unnamed, procfs)) {
      const row = tree.byPid.get(pid);
      if (row) row.listens = listens;
    }
    return tree;
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
    return {
      pid,
      startTicks,
      cpuSeconds: stat.cpuSeconds,
      residentBytes: parseKibibytes(status ?? '', 'VmRSS'),
    };
  }

  /** Undefined if the process has ended, zombies included. */
  async function readStat(pid: number): Promise<Stat | undefined> {
    const stat = parseStat((await readHead(join(procfs, String(pid), 'stat'), STAT_BYTES)) ?? '');
    return stat === undefined || /[ZXx]/.test(stat.state) ? undefined : stat;
  }
}
