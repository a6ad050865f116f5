import { z } from 'zod';
import type { RouterControl } from '../fleet/router-control.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimit, type Limit } from '../lib/concurrency.ts';
import { createListeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import type { Guards } from './guards.ts';
import {
  createOperation,
  finishOperation,
  type OnResult,
  type RouterRun,
  type RunningOperation,
  reportOf,
  subsumes,
} from './operation.ts';
import { type Operation, operation, unloadedModels } from './report.ts';
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

/** All unloads of the service. Operations on the same router run one after the other. */
export interface Operations {
  /** Starts an operation, or joins a running one that subsumes the request. Never throws. */
  start(request: UnloadRequest, onResult?: OnResult): Started;
  /** Running operations and the last hundred finished ones, the newest first. */
  list(): readonly Operation[];
  get(id: string): Operation | undefined;
  /** Called with each finished operation. */
  onEnd(listener: (operation: Operation, request: UnloadRequest) => void): void;
  /** Called when an operation begins to act on a router; not for dry runs and refusals. */
  onBegin(listener: (router: string, request: UnloadRequest) => void): void;
  /** Adds finished operations of an earlier process, the newest first. */
  restore(operations: readonly Operation[]): void;
  /** Stops waiting for busy models, and two seconds later for the rest; resolves when nothing runs any more. */
  stop(): Promise<void>;
}

export interface OperationsParts {
  /** The routers that are followed now. */
  controls(): readonly RouterControl[];
  /** The configured keep list of a router. */
  keep(router: string): readonly string[];
  guards: Guards;
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

interface Registry {
  parts: OperationsParts;
  /** Per router; absent when nothing runs there. */
  queues: Map<string, Limit>;
  /** By id, in the order of their start. */
  running: Map<string, { operation: RunningOperation; done: Promise<Operation> }>;
  finished: Operation[];
  ended: ReturnType<typeof createListeners<[Operation, UnloadRequest]>>;
  begun: ReturnType<typeof createListeners<[string, UnloadRequest]>>;
  stopping: boolean;
  stopWatching: AbortController;
}

export function createOperations(parts: OperationsParts): Operations {
  const registry: Registry = {
    parts,
    queues: new Map(),
    running: new Map(),
    finished: [],
    ended: createListeners(),
    begun: createListeners(),
    stopping: false,
    stopWatching: new AbortController(),
  };
  const { running, finished, ended, begun } = registry;
  const runningReports = () =>
    [...running.values()].map((each) => reportOf(each.operation, parts.clock.now())).toReversed();
  return {
    start: (request, onResult) => start(registry, request, onResult),
    list: () => [...runningReports(), ...finished],
    get: (id) => [...runningReports(), ...finished].find((each) => each.id === id),
    onEnd: (listener) => void ended.add((event) => listener(...event)),
    onBegin: (listener) => void begun.add((event) => listener(...event)),
    restore(operations) {
      finished.push(...operations);
      finished.splice(MAX_FINISHED);
    },
    stop: () => stop(registry),
  };
}

function start(registry: Registry, request: UnloadRequest, onResult?: OnResult): Started {
  const { parts, running } = registry;
  const { clock } = parts;
  const requested = parts
    .controls()
    .filter(({ state: { name } }) => request.routers.length === 0 || request.routers.includes(name))
    .map((control) => ({ control, request: withKeep(request, parts.keep(control.state.name)) }));
  if (!request.dryRun) {
    const same = [...running.values()].find(({ operation }) => subsumes(operation, requested, clock.now()));
    if (same) return startedOf(registry, same, true);
  }
  if (request.whenBusy === 'force' && !isAutomatic(request.trigger)) {
    preempt(
      registry,
      requested.map(({ control }) => control.state.name),
    );
  }
  const operation = createOperation(request, requested, clock, onResult);
  if (registry.stopping) stopWaiting(operation);
  const entry = { operation, done: runAll(registry, operation) };
  running.set(operation.report.id, entry);
  return startedOf(registry, entry, false);
}

function startedOf(
  { parts }: Registry,
  { operation, done }: { operation: RunningOperation; done: Promise<Operation> },
  joined: boolean,
): Started {
  return {
    id: operation.report.id,
    joined,
    report: () => reportOf(operation, parts.clock.now()),
    done,
  };
}

/** Ends the wait for busy models of all operations on these routers, so that a forced request need not queue for it. */
function preempt({ running }: Registry, routers: readonly string[]): void {
  for (const { operation } of running.values()) {
    for (const { control, stopWaiting } of operation.runs) {
      if (routers.includes(control.state.name)) stopWaiting.abort('preempted by a forced request');
    }
  }
}

const SHUTTING_DOWN = 'the exporter is shutting down';

function stopWaiting({ runs }: RunningOperation): void {
  for (const run of runs) run.stopWaiting.abort(SHUTTING_DOWN);
}

async function runAll(registry: Registry, operation: RunningOperation): Promise<Operation> {
  const { parts, running, finished, ended } = registry;
  const { request, runs, report } = operation;
  // Guards judge now and not when the run leaves the queue: parts of one alert must not stop each other.
  const granted = runs.filter((run) => isGranted(registry, run) || request.dryRun);
  await Promise.all(granted.map((run) => runInQueue(registry, run)));
  const now = parts.clock.now();
  finishOperation(
    operation,
    parts.controls().map(({ state }) => state.name),
    now,
  );
  running.delete(report.id);
  const final = reportOf(operation, now);
  finished.unshift(final);
  finished.splice(MAX_FINISHED);
  ended.tell([final, request]);
  return final;
}

/** Whether the guards let the run act; a refused dry run still reports what would be done. */
function isGranted({ parts }: Registry, run: RouterRun): boolean {
  const refusal = parts.guards.judge(run.result.router, run.request);
  if (refusal === undefined) return true;
  run.result.refused = refusal;
  run.ended = !run.request.dryRun;
  return false;
}

async function runInQueue(registry: Registry, run: RouterRun): Promise<void> {
  const { parts, queues, begun, stopWatching } = registry;
  const { request, result } = run;
  const { router } = result;
  const { clock, measure = async () => undefined } = parts;
  const context: RunContext = { clock, measure, stopWatching: stopWatching.signal };
  if (request.dryRun) return runOnRouter(run, context);
  const queue = queues.get(router) ?? createLimit(1);
  if (queue.size() > MAX_QUEUED) {
    const detail = `${MAX_QUEUED} requests are already queued on this router`;
    result.refused = { reason: 'in_progress', detail, retry_after_seconds: 30 };
    run.ended = true;
    return;
  }
  queues.set(router, queue);
  await queue(async () => {
    begun.tell([router, request]);
    await runOnRouter(run, context);
    const models = unloadedModels(result);
    if (models.length > 0) parts.guards.recordUnload(router, request, models);
  });
  if (queue.size() === 0) queues.delete(router);
}

async function stop(registry: Registry): Promise<void> {
  const { parts, running, stopWatching } = registry;
  registry.stopping = true;
  for (const { operation } of running.values()) stopWaiting(operation);
  const cancel = parts.clock.after(STOP_TIMEOUT_MS, () => stopWatching.abort(SHUTTING_DOWN));
  await Promise.all([...running.values()].map(({ done }) => done));
  cancel();
}

function withKeep(request: UnloadRequest, keep: readonly string[]): UnloadRequest {
  const { selection } = request;
  return { ...request, selection: { ...selection, keep: [...selection.keep, ...keep] } };
}

export function operationsPart(operations: Operations): StatePart<Operation[]> {
  return {
    name: 'operations',
    schema: z.array(operation),
    snapshot: () => operations.list().filter(({ outcome }) => outcome !== null),
    restore: operations.restore,
  };
}
