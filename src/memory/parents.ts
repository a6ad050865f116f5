import type { ModelProcess, ParentProcess, ProcessId } from './reading.ts';

/** A router as it is believed to be: what is needed to find its process and to name its models. */
export interface RouterView {
  name: string;
  url: string;
  /** Whether it is on this machine, if somebody says so. */
  local: 'auto' | 'yes' | 'no';
  models: readonly ModelView[];
}

export interface ModelView {
  id: string;
  aliases: readonly string[];
  /** The port of its process, as the router's listing tells it. */
  port?: number;
  /** It has a process: loading, loaded or asleep. */
  isRunning: boolean;
}

/** The process of each router that was found, by the router's URL. Kept from one reading to the next. */
export type Parents = ReadonlyMap<string, ProcessId>;

export type IsOurHost = (host: string) => boolean;

/**
 * Finds the process of each router among the parents of what looks like models. Pure. In this order:
 * 1. it listens at the router's URL, which is of this machine;
 * 2. it was found before, and is still that process;
 * 3. its children are the router's models: port for port as the router tells them, and none of them otherwise.
 *    That tells a router in a container, whose network is not ours, and one whose open files we may not see.
 * Two that could be it are none: never guess whose bytes they are.
 */
export function findParents(
  routers: readonly RouterView[],
  candidates: readonly ParentProcess[],
  models: readonly ModelProcess[],
  isOurHost: IsOurHost,
  before: Parents,
): Parents {
  const found = new Map<string, ProcessId>();
  for (const router of routers) {
    if (router.local === 'no') continue;
    const parent =
      only(candidates.filter((candidate) => listensFor(router, candidate, isOurHost))) ??
      candidates.find((candidate) => isSame(candidate, before.get(router.url))) ??
      only(candidates.filter((candidate) => isParentOf(router, childrenOf(candidate, models))));
    if (parent) found.set(router.url, { pid: parent.pid, startTicks: parent.startTicks });
  }
  return found;
}

/** Whether a router's URL, or its configuration, says that it is on this machine. */
export function isLocal({ url, local }: RouterView, isOurHost: IsOurHost): boolean {
  return local === 'yes' || (local === 'auto' && isOurHost(new URL(url).hostname));
}

export function childrenOf(parent: ProcessId, models: readonly ModelProcess[]): ModelProcess[] {
  return models.filter((model) => isSame(model.parent, parent));
}

function listensFor(router: RouterView, { listens }: ParentProcess, isOurHost: IsOurHost): boolean {
  const { port, protocol } = new URL(router.url);
  const wanted = Number(port || (protocol === 'https:' ? 443 : 80));
  return isLocal(router, isOurHost) && listens?.includes(wanted) === true;
}

function isParentOf({ models }: RouterView, children: readonly ModelProcess[]): boolean {
  const told = models.filter(({ isRunning, port }) => isRunning && port !== undefined);
  return (
    told.length > 0 &&
    told.every(({ id, port }) => children.some((child) => child.alias === id && child.port === port)) &&
    children.every(({ alias, port }) =>
      models.some((model) => model.id === alias && (model.port ?? port) === port),
    )
  );
}

function only<Value>(values: readonly Value[]): Value | undefined {
  return values.length === 1 ? values[0] : undefined;
}

export function isSame(one: ProcessId, other: ProcessId | undefined): boolean {
  return other !== undefined && one.pid === other.pid && one.startTicks === other.startTicks;
}
