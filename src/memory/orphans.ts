import { processesThatRun } from './model-processes.ts';
import type { Parents, RouterProcessHint } from './parents.ts';
import { descendantsOf, familyOf, type ProcessTree, processIn } from './process-tree.ts';
import { isSame, type ModelProcess, type ProcessId, processKey, type TableProcess } from './reading.ts';

/** A model's process in an earlier reading. */
export interface FormerProcess extends ProcessId {
  router: string;
  model: string;
  /** The process of the router. */
  parent: ProcessId;
}

/** The processes of a model without a router. The first is the one from which the others descend. */
export interface Orphan {
  router: string;
  model: string;
  processes: readonly ProcessId[];
  /** Models of llama-server may run for some milliseconds after their router: not before the next reading. */
  isSure: boolean;
}

export interface OrphanEvidence {
  routers: readonly RouterProcessHint[];
  parents: Parents;
  tree: ProcessTree;
  /** The processes below the routers. */
  models: readonly ModelProcess[];
  /** Of the reading before. */
  former: readonly FormerProcess[];
  orphans: readonly Orphan[];
}

/**
 * Finds model processes that outlived their router. Pure. They are:
 * 1. those of earlier readings that are no longer below the process of their router;
 * 2. those that run the command of a model, the port included, and whose starter has ended: the exporter started later.
 */
export function findOrphans(evidence: OrphanEvidence): Orphan[] {
  const { routers, tree, models, orphans } = evidence;
  const taken = new Set(models.map(processKey));
  const before = new Set(orphans.flatMap(({ processes }) => processes.map(processKey)));
  const roots = [...outlived(evidence, taken), ...commanded(evidence)].sort(
    (a, b) => a.process.startTicks - b.process.startTicks || a.process.pid - b.process.pid,
  );
  return roots.flatMap(({ router, model, process, isSure }) => {
    if (taken.has(processKey(process)) || !routers.some(({ name }) => name === router)) return [];
    const processes = familyOf(process, tree).filter((each) => !taken.has(processKey(each)));
    for (const each of processes) taken.add(processKey(each));
    return [{ router, model, processes, isSure: isSure || before.has(processKey(process)) }];
  });
}

interface Root {
  router: string;
  model: string;
  process: TableProcess;
  isSure: boolean;
}

function outlived({ tree, former, orphans }: OrphanEvidence, owned: ReadonlySet<string>): Root[] {
  const left = former.filter(({ parent, ...process }) => {
    if (owned.has(processKey(process))) return false;
    const router = processIn(tree, parent);
    return !router || !descendantsOf(router, tree).some((each) => isSame(each, process));
  });
  const before = orphans.flatMap((orphan) => orphan.processes.map((each) => ({ ...orphan, ...each })));
  return [...before, ...left].flatMap(({ router, model, ...id }) => {
    const process = processIn(tree, id);
    return process ? { router, model, process, isSure: false } : [];
  });
}

function commanded({ routers, parents, tree }: OrphanEvidence): Root[] {
  return routers.flatMap(({ name, url, models }) => {
    const known = parents.has(url) ? models : [];
    return known.flatMap((model) =>
      processesThatRun(model, tree)
        .filter((process) => model.port !== undefined && process.cmdline.includes(String(model.port)))
        .filter((process) => isAdopted(process, tree))
        .map((process) => ({ router: name, model: model.id, process, isSure: true })),
    );
  });
}

/** Whether its parent did not start it: a child is in the session of its parent, or begins one. */
function isAdopted({ pid, parentPid, session }: TableProcess, { byPid }: ProcessTree): boolean {
  const parent = byPid.get(parentPid);
  return parentPid === 1 || (session !== pid && parent !== undefined && parent.session !== session);
}
