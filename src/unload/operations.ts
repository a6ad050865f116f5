import * as z from 'zod';
import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimit, type Limit } from '../lib/concurrency.ts';
import { createListeners, type Listeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import type { Guards } from './guards.ts';
import {
  createOperation,
  finishOperation,
  type Hooks,
  type RouterRequest,
  type RouterRun,
  type RunningOperation,
  reportOf,
  subsumes,
} from './operation.ts';
import { type Operation, operation, type Refusal, unloadedModels } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';
import { type RunContext, runOnRouter } from './run.ts';

/** An operation that was started or joined. */
export interface Started {
  id: string;
  /** The request joined a running operation that already does all it asks for. */
  joined: boolean;
  /** The report at this moment. */
  report(): Operation;
  /** Resolves with the finished operation; never rejects. */
  done: Promise<Operation>;
}

interface OperationsParts {
  /** The routers that are followed now. */
  controls(): readonly RouterControl[];
  /** The configured keep list of a router. */
  keep(router: string): readonly string[];
  /** Absent: every request is granted. */
  guards?: Guards;
  clock: Clock;
  /** Absent: no memory is measured. */
  measure?: RunContext['measure'];
}

/** Finished operations that are kept. */
const MAX_FINISHED = 100;

/** Requests that may queue on one router behind the running one. */
const MAX_QUEUED = 8;

/** How long ordered unloads are still watched when the service stops: most models take less. */
const STOP_TIMEOUT_MS = 2000;

interface Running {
  operation: RunningOperation;
  started: Started;
  /** The work on its routers that has not ended. */
  work: Set<Promise<void>>;
}

/** An operation of another kind, which only takes its turn here. */
interface Tracked {
  started: Started;
  interrupt: Interrupt;
}

/** Ends what an operation still does or waits for on these routers, or on all of its own. */
type Interrupt = (routers: readonly string[] | undefined, why: string) => void;

interface Registry extends OperationsParts {
  /** Per router; absent when nothing runs there. */
  queues: Map<string, Limit>;
  /** By id, in the order of their start. */
  running: Map<string, Running | Tracked>;
  finished: Operation[];
  started: Listeners<[Operation, UnloadRequest]>;
  ended: Listeners<[Operation, UnloadRequest]>;
  begun: Listeners<[string, UnloadRequest]>;
  stopping: boolean;
  stopWatching: AbortController;
}

export type Operations = ReturnType<typeof createOperations>;

/** All operations of the service, and the unloads themselves. Operations on the same router run one after the other. */
export function createOperations(parts: OperationsParts) {
  const registry: Registry = {
    ...parts,
    queues: new Map(),
    running: new Map(),
    finished: [],
    started: createListeners(),
    ended: createListeners(),
    begun: createListeners(),
    stopping: false,
    stopWatching: new AbortController(),
  };
  const { running, finished } = registry;
  const list = (): readonly Operation[] => [
    ...[...running.values()].map(({ started }) => started.report()).toReversed(),
    ...finished,
  ];
  return {
    /** Lists the models of these routers, or of all. */
    async refresh(routers: readonly string[]): Promise<void> {
      await Promise.all(controlsOf(registry, routers).map(({ refresh }) => refresh()));
    },
    /** Starts an operation, or joins a running one that subsumes the request. Never throws. */
    start: (request: UnloadRequest, hooks?: Hooks) => start(registry, request, hooks),
    /** Ends an operation: models whose unload is not ordered yet are kept. */
    cancel(id: string, why: string): void {
      for (const run of unloads(registry).find(({ started }) => started.id === id)?.operation.runs ?? []) {
        run.cancelled = why;
        run.stopWaiting.abort(why);
      }
    },
    /** Running operations and the last hundred finished ones, the newest first. */
    list,
    get: (id: string) => list().find((each) => each.id === id),
    /** Lists a running operation of another kind with the others, and keeps its report. */
    track: (started: Started, interrupt: Interrupt) => track(registry, { started, interrupt }),
    /** Runs work when no other operation acts on the router; a refusal when too many are queued there. */
    inTurn: (router: string, work: () => Promise<void>) => inTurn(registry, router, work),
    /** Called with each unload before it acts; not for dry runs and refusals. */
    onStart: (listener: (operation: Operation, request: UnloadRequest) => void) =>
      registry.started.add((event) => listener(...event)),
    /** Called with each finished unload. */
    onEnd: (listener: (operation: Operation, request: UnloadRequest) => void) =>
      registry.ended.add((event) => listener(...event)),
    /** Called when an operation begins to act on a router; not for dry runs and refusals. */
    onBegin: (listener: (router: string, request: UnloadRequest) => void) =>
      registry.begun.add((event) => listener(...event)),
    /** Adds finished operations of an earlier process, the newest first. */
    restore(operations: readonly Operation[]): void {
      finished.push(...operations);
      finished.splice(MAX_FINISHED);
    },
    /** Stops waiting for busy models, and two seconds later for the rest; resolves when nothing runs any more. */
    stop: () => stop(registry),
  };
}

function start(registry: Registry, request: UnloadRequest, hooks?: Hooks): Started {
  const { keep, clock, running } = registry;
  const { selection } = request;
  const requested = controlsOf(registry, request.routers).map((control) => {
    const kept = [...selection.keep, ...keep(control.state.name)];
    return { control, request: { ...request, selection: { ...selection, keep: kept } } };
  });
  if (!request.dryRun) {
    const same = unloads(registry).find(({ operation }) => subsumes(operation, requested, clock.now()));
    if (same) {
      join(registry, same);
      return { ...same.started, joined: true };
    }
    if (request.whenBusy === 'force' && !isAutomatic(request.trigger)) preempt(registry, requested);
  }
  const operation = createOperation(request, requested, clock, hooks);
  if (registry.stopping) stopWaiting(operation);
  const { id } = operation.report;
  const report = () => reportOf(operation, clock.now());
  const work = new Set<Promise<void>>();
  const started = { id, joined: false, report, done: runAll(registry, operation, work) };
  running.set(id, { operation, started, work });
  return started;
}

/** The controls of these routers, or of all. */
function controlsOf({ controls }: Registry, routers: readonly string[]): readonly RouterControl[] {
  return controls().filter(({ state: { name } }) => routers.length === 0 || routers.includes(name));
}

/** Has the running operation list its routers again: what has appeared since is planned for. */
function join(registry: Registry, { operation, work }: Running): void {
  for (const run of operation.runs) {
    if (run.result.refused) continue;
    run.joined = true;
    if (run.ended) begin(registry, run, work);
    else run.wake();
  }
}

function begin(registry: Registry, run: RouterRun, work: Set<Promise<void>>): void {
  run.ended = false;
  const piece = runInQueue(registry, run).then(() => {
    run.ended = true;
    work.delete(piece);
  });
  work.add(piece);
}

/** Ends the wait for busy models on these routers, so that a forced request need not queue behind it. */
function preempt(registry: Registry, requested: readonly RouterRequest[]): void {
  const routers = requested.map(({ control }) => control.state.name);
  for (const run of unloads(registry).flatMap(({ operation }) => operation.runs)) {
    if (routers.includes(run.result.router)) run.stopWaiting.abort(PREEMPTED);
  }
  for (const each of registry.running.values()) if ('interrupt' in each) each.interrupt(routers, PREEMPTED);
}

const PREEMPTED = 'preempted by a forced request';

function unloads({ running }: Registry): Running[] {
  return [...running.values()].filter((each) => 'operation' in each);
}

function track(registry: Registry, { started, interrupt }: Tracked): void {
  registry.running.set(started.id, { started, interrupt });
  if (registry.stopping) interrupt(undefined, SHUTTING_DOWN);
  void started.done.then((report) => keepFinished(registry, report));
}

function keepFinished({ running, finished }: Registry, report: Operation): void {
  running.delete(report.id);
  finished.unshift(report);
  finished.splice(MAX_FINISHED);
}

const SHUTTING_DOWN = 'the exporter is shutting down';

function stopWaiting({ runs }: RunningOperation): void {
  for (const run of runs) run.stopWaiting.abort(SHUTTING_DOWN);
}

async function runAll(
  registry: Registry,
  operation: RunningOperation,
  work: Set<Promise<void>>,
): Promise<Operation> {
  const { controls, guards, clock } = registry;
  const { request, runs } = operation;
  // Guards judge now and not when the run leaves the queue: parts of one alert must not stop each other.
  for (const run of runs) {
    const refusal = guards?.judge(run.result.router, run.request);
    if (refusal) run.result.refused = refusal;
  }
  const acts = !request.dryRun && runs.some(({ result }) => !result.refused);
  if (acts) registry.started.notify([reportOf(operation, clock.now()), request]);
  // A refused dry run still reports what would be done.
  for (const run of runs) if (request.dryRun || !run.result.refused) begin(registry, run, work);
  // At least once, because the caller registers the operation first; again when a request has joined meanwhile.
  do await Promise.all(work);
  while (work.size > 0);
  const routers = controls().map(({ state }) => state.name);
  finishOperation(operation, routers, clock.now());
  const report = reportOf(operation, clock.now());
  keepFinished(registry, report);
  registry.ended.notify([report, request]);
  return report;
}

async function runInQueue(registry: Registry, run: RouterRun): Promise<void> {
  const { guards, begun, clock, stopWatching, measure = async () => undefined } = registry;
  const { request, result } = run;
  const { router } = result;
  const context: RunContext = { clock, measure, stopWatching: stopWatching.signal };
  if (request.dryRun) return runOnRouter(run, context);
  const refusal = await inTurn(registry, router, async () => {
    begun.notify([router, request]);
    const before = unloadedModels(result).length;
    await runOnRouter(run, context);
    const models = unloadedModels(result).slice(before);
    if (models.length > 0) guards?.recordUnload(router, request, models);
  });
  if (refusal) result.refused = refusal;
}

async function inTurn(
  { queues }: Registry,
  router: string,
  work: () => Promise<void>,
): Promise<Refusal | undefined> {
  const queue = queues.get(router) ?? createLimit(1);
  if (queue.size() > MAX_QUEUED) {
    const detail = `${MAX_QUEUED} requests are already queued on this router`;
    return { reason: 'in_progress', detail, retry_after_seconds: 30 };
  }
  queues.set(router, queue);
  await queue(work);
  if (queue.size() === 0) queues.delete(router);
  return undefined;
}

async function stop(registry: Registry): Promise<void> {
  const { running, clock, stopWatching } = registry;
  registry.stopping = true;
  for (const each of running.values()) {
    if ('operation' in each) stopWaiting(each.operation);
    else each.interrupt(undefined, SHUTTING_DOWN);
  }
  const cancel = clock.after(STOP_TIMEOUT_MS, () => stopWatching.abort(SHUTTING_DOWN));
  await Promise.all([...running.values()].map(({ started }) => started.done));
  cancel();
}

export const OPERATIONS = { name: 'operations', schema: z.array(operation) };

export function operationsPart(operations: Operations): StatePart<Operation[]> {
  return {
    ...OPERATIONS,
    snapshot: () => operations.list().filter(({ outcome }) => outcome !== null),
    restore: operations.restore,
  };
}
