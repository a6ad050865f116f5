import { groupBy } from '../lib/group-by.ts';
import { isSame, type ProcessId, type TableProcess } from './reading.ts';

/** The processes of the table by what relates them. */
export interface ProcessTree {
  processes: readonly TableProcess[];
  byPid: ReadonlyMap<number, TableProcess>;
  byParent: ReadonlyMap<number, readonly TableProcess[]>;
  byGroup: ReadonlyMap<number, readonly TableProcess[]>;
}

export function createTree(table: readonly TableProcess[]): ProcessTree {
  // By pid: the order of the samples must not depend on which file was read first.
  const processes = [...table].sort((a, b) => a.pid - b.pid);
  return {
    processes,
    byPid: new Map(processes.map((each) => [each.pid, each])),
    byParent: groupBy(processes, ({ parentPid }) => parentPid),
    byGroup: groupBy(processes, ({ group }) => group),
  };
}

/** The process with this identity; undefined if it has ended. */
export function processIn(tree: ProcessTree, id: ProcessId): TableProcess | undefined {
  const process = tree.byPid.get(id.pid);
  return isSame(id, process) ? process : undefined;
}

/** A child is no older than its parent: otherwise the pid was another's. */
export function childrenIn(tree: ProcessTree, { pid, startTicks }: ProcessId): TableProcess[] {
  return (tree.byParent.get(pid) ?? []).filter(
    (child) => child.startTicks >= startTicks && child.pid !== pid,
  );
}

export function descendantsOf(parent: ProcessId, tree: ProcessTree): TableProcess[] {
  const found = new Set(childrenIn(tree, parent));
  // A set that grows is iterated to its end.
  for (const process of found) for (const child of childrenIn(tree, process)) found.add(child);
  return [...found];
}

/** A process, its descendants, and where it leads a process group, those of the group whose parents have ended. */
export function familyOf(root: TableProcess, tree: ProcessTree): TableProcess[] {
  const group = root.group === root.pid ? (tree.byGroup.get(root.pid) ?? []) : [];
  const members = [root, ...group.filter(({ startTicks }) => startTicks >= root.startTicks)];
  return [...new Set(members.flatMap((each) => [each, ...descendantsOf(each, tree)]))];
}
