import type { IsOwnHost } from './host.ts';
import { modelProcesses } from './model-processes.ts';
import { type FormerProcess, findOrphans, type Orphan } from './orphans.ts';
import { processesOfModels } from './owners.ts';
import { findParents, type Parents, type RouterProcessHint } from './parents.ts';
import type { ProcessTable } from './processes.ts';
import { isSame, type ModelProcess, type ProcessId, processKey } from './reading.ts';

/** What the process table shows of routers and their models. */
export interface FoundProcesses {
  routers: readonly RouterProcessHint[];
  parents: Parents;
  models: readonly ModelProcess[];
  orphans: readonly Orphan[];
  /** All of these, each once. */
  own: readonly ProcessId[];
}

/** Remembers from one reading to the next which processes belong to routers and models. */
export function createFollowedProcesses() {
  let parents: Parents = new Map();
  /** To be found again when they have outlived their router. */
  let former: readonly FormerProcess[] = [];
  let orphans: readonly Orphan[] = [];

  return {
    /** The routers of the reading before. */
    routers: () => [...parents.values()],
    find(routers: readonly RouterProcessHint[], table: ProcessTable, isOwnHost: IsOwnHost): FoundProcesses {
      const { tree } = table;
      const found = findParents(routers, table.parents, table.models, isOwnHost, parents, tree);
      const ids = [...found.values()];
      const models = [
        ...routers.flatMap((router) => {
          const parent = found.get(router.url);
          return parent ? modelProcesses(router, parent, table.models, tree).map(asBefore) : [];
        }),
        ...table.models.filter(({ parent }) => !ids.some((each) => isSame(each, parent))),
      ];
      const left = findOrphans({ routers, parents: found, tree, models, former, orphans });
      const all = [...models, ...left.flatMap((orphan) => orphan.processes), ...ids];
      const own = [...new Map(all.map((each) => [processKey(each), each])).values()];
      return { routers, parents: found, models, orphans: left, own };
    },
    /** Keeps what was found, as far as it still runs; nothing changes without `running`. */
    keep(found: FoundProcesses, running: readonly ProcessId[] | undefined) {
      const formerParents = parents;
      if (running) {
        const isRunning = (id: ProcessId) => running.some((each) => isSame(each, id));
        parents = new Map([...found.parents].filter(([, parent]) => isRunning(parent)));
        former = processesOfModels(found).flatMap(({ router, model, processes }) =>
          processes.map(({ pid, startTicks, parent }) => ({ pid, startTicks, router, model, parent })),
        );
        orphans = found.orphans;
      }
      return { parents, formerParents };
    },
  };

  /** A process stays that of its model when its listing, or the port it listened on, does not show that any more. */
  function asBefore(process: ModelProcess): ModelProcess {
    if (process.alias !== '') return process;
    const known = former.find((each) => isSame(each, process) && isSame(each.parent, process.parent));
    return { ...process, alias: known?.model ?? '' };
  }
}
