import { serverAddress } from '../lib/address.ts';
import { isRunning, type ListedModel, type Status } from '../models/feed.ts';
import type { IsOwnHost } from './host.ts';
import { modelProcesses, only, startersOf } from './model-processes.ts';
import { createTree, type ProcessTree } from './process-tree.ts';
import type { ModelProcess, ParentProcess, ProcessId } from './reading.ts';

/** What is known of a router: enough to find its process and to name its models. */
export interface RouterProcessHint {
  name: string;
  url: string;
  /** Whether it runs on this machine, if configured. */
  local: 'auto' | 'yes' | 'no';
  /** Its models are known: it has answered, and is up. */
  isListed: boolean;
  models: readonly ModelProcessHint[];
}

export interface ModelProcessHint {
  id: string;
  aliases: readonly string[];
  /** The port of its process in the router's listing. It may be the port of the model's next process, too. */
  port?: number | undefined;
  /** The command that starts its process; absent where that has `--alias MODEL --port PORT`. */
  command?: string | undefined;
  /** It has a process: loading, loaded or sleeping. */
  isRunning: boolean;
  /** It holds its memory. */
  isLoaded?: boolean | undefined;
}

interface HintedModel extends Pick<ListedModel, 'id' | 'instance' | 'process'> {
  aliases: readonly string[];
  status: Status | undefined;
}

/** What is known of a model's process. Its status is undefined if unknown; `instance` is 0 until the first load. */
export function processHint(model: HintedModel): ModelProcessHint {
  const { id, aliases, status, instance, process } = model;
  const port = process?.port ?? (instance || undefined);
  const command = process?.command;
  return { id, aliases, port, command, isRunning: isRunning(status), isLoaded: status === 'loaded' };
}

/** The process of each router by the router's URL, kept from one reading to the next. */
export type Parents = ReadonlyMap<string, ProcessId>;

/**
 * Finds the process of each router among the parents of model processes. Pure. In this order:
 * 1. it listens at the router's URL on this machine;
 * 2. it is the process that was found before, if that still runs: the caller checks that;
 * 3. its children are exactly the router's running models, by id and port or by their commands. This finds routers in
 *    containers, whose network differs, and routers whose open files are not readable.
 * If several processes match, none does.
 */
export function findParents(
  routers: readonly RouterProcessHint[],
  candidates: readonly ParentProcess[],
  models: readonly ModelProcess[],
  isOwnHost: IsOwnHost,
  before: Parents,
  tree: ProcessTree = createTree([]),
): Parents {
  const found = new Map<string, ProcessId>();
  for (const router of routers) {
    if (router.local === 'no') continue;
    const parent =
      only(candidates.filter((candidate) => listensFor(router, candidate, isOwnHost))) ??
      before.get(router.url) ??
      only(
        [...candidates, ...startersOf(router, candidates, tree)].filter((candidate) =>
          isParentOf(router, modelProcesses(router, candidate, models, tree)),
        ),
      );
    if (parent) found.set(router.url, { pid: parent.pid, startTicks: parent.startTicks });
  }
  return found;
}

/** Whether a router runs on this machine, by its URL or its configuration. */
export function isLocal({ url, local }: RouterProcessHint, isOwnHost: IsOwnHost): boolean {
  if (local !== 'auto') return local === 'yes';
  const { origin, socketPath } = serverAddress(url);
  return socketPath !== undefined || isOwnHost(new URL(origin).hostname);
}

function listensFor(router: RouterProcessHint, { listens }: ParentProcess, isOwnHost: IsOwnHost): boolean {
  const { origin, socketPath } = serverAddress(router.url);
  const { port, protocol } = new URL(origin);
  const wanted = socketPath ?? Number(port || (protocol === 'https:' ? 443 : 80));
  return isLocal(router, isOwnHost) && listens?.includes(wanted) === true;
}

function isParentOf({ models }: RouterProcessHint, children: readonly ModelProcess[]): boolean {
  const running = models.filter((model) => model.isRunning && (model.port ?? model.command) !== undefined);
  return (
    running.length > 0 &&
    running.every(({ id, port = 0 }) =>
      children.some((child) => child.alias === id && child.port === port),
    ) &&
    children.every(({ alias, port }) =>
      models.some((model) => model.id === alias && (model.port ?? port) === port),
    )
  );
}
