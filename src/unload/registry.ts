import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimit, type Limit } from '../lib/concurrency.ts';
import { createListeners } from '../lib/listeners.ts';
import { isRunning } from '../models/feed.ts';
import type { RouterRun, Started } from './operation.ts';
import { type Operation, operation, outcomeOf, type Refusal, summarize } from './report.ts';
import { isUnload, type LoadRequest, type UnloadRequest } from './request.ts';

/** An operation that starts or has finished, with its request. */
export interface OperationEvent {
  operation: Operation;
  request: UnloadRequest | LoadRequest;
}

/** What an operation does. */
export interface Work {
  request: UnloadRequest | LoadRequest;
  runs: readonly RouterRun[];
  /** Whether anything may be changed. */
  acts: boolean;
  /** Carries it out on all routers; never rejects. `report` gets its outcome afterwards. */
  carryOut(report: Operation): Promise<void>;
}

/** A running operation. `startedAt`: monotonic milliseconds. */
type Running = Pick<Work, 'runs'> & { report: Operation; startedAt: number; done: Promise<Operation> };

/** Finished operations that are kept. */
const MAX_FINISHED = 100;

/** Requests that may queue on one router behind the running one. */
const MAX_QUEUED = 8;

/** How long ordered unloads are still watched when the service stops: most models take less. */
const STOP_TIMEOUT_MS = 2000;

const SHUTTING_DOWN = 'the exporter is shutting down';

/** All operations, running and finished, and their turns on each router. */
export function createRegistry(controls: () => readonly RouterControl[], clock: Clock) {
  /** Per router; absent when nothing runs there. */
  const queues = new Map<string, Limit>();
  /** By id, in the order of their start. */
  const running = new Map<string, Running>();
  /** The newest first. */
  const finished: Operation[] = [];
  const started = createListeners<OperationEvent>();
  const ended = createListeners<OperationEvent>();
  const stopWatching = new AbortController();
  let stopping = false;

  const list = (): readonly Operation[] => [
    ...[...running.values()].map((each) => reportOf(each, clock.now())).toReversed(),
    ...finished,
  ];
  return {
    /** The controls of these routers, or of all. */
    controlsOf,
    /** Lists the models of these routers, or of all. */
    async refresh(routers: readonly string[]): Promise<void> {
      await Promise.all(controlsOf(routers).map(({ refresh }) => refresh()));
    },
    /** Running operations and the last hundred finished ones, the newest first. */
    list,
    get: (id: string) => list().find((each) => each.id === id),
    /** Starts an operation. Never throws. */
    run,
    /** Runs work when no other operation acts on the router; a refusal when too many are queued there. */
    async inTurn(router: string, work: () => Promise<void>): Promise<Refusal | undefined> {
      const queue = queues.get(router) ?? createLimit(1);
      if (queue.size() > MAX_QUEUED) {
        const detail = `${MAX_QUEUED} requests are already queued on this router`;
        return { reason: 'in_progress', detail, retry_after_seconds: 30 };
      }
      queues.set(router, queue);
      await queue(work);
      if (queue.size() === 0) queues.delete(router);
      return undefined;
    },
    /** Ends what operations wait for on these routers, or on all. */
    interrupt,
    /** Aborted when ordered unloads are no longer watched; its reason says why. */
    stopWatching: stopWatching.signal as AbortSignal,
    /** Called with each operation before it acts; not for dry runs and refusals. */
    onStart: started.add,
    /** Called with each finished operation. */
    onEnd: ended.add,
    /** The finished operations. */
    snapshot: () => finished,
    /** Adds finished operations of an earlier process, the newest first. */
    restore(operations: readonly Operation[]): void {
      finished.push(...operations);
      finished.splice(MAX_FINISHED);
    },
    /** Stops waiting for busy models, and two seconds later for the rest; resolves when nothing runs any more. */
    async stop(): Promise<void> {
      stopping = true;
      interrupt(SHUTTING_DOWN);
      const cancel = clock.after(STOP_TIMEOUT_MS, () => stopWatching.abort(SHUTTING_DOWN));
      await Promise.all([...running.values()].map(({ done }) => done));
      cancel();
    },
  };

  function controlsOf(routers: readonly string[]): readonly RouterControl[] {
    return controls().filter(({ state: { name } }) => routers.length === 0 || routers.includes(name));
  }

  function run(work: Work): Started {
    const { request, runs } = work;
    const startedAt = clock.now();
    const report = newReport(request, runs, clock.wall(startedAt));
    const { id } = report;
    if (stopping) for (const { stopWaiting } of runs) stopWaiting.abort(SHUTTING_DOWN);
    const current = () => reportOf({ report, startedAt, runs }, clock.now());
    if (work.acts) started.notify({ operation: current(), request });
    const done = finish();
    running.set(id, { runs, report, startedAt, done });
    return { id, joined: false, report: current, done };

    async function finish(): Promise<Operation> {
      await work.carryOut(report);
      report.still_in_memory = runs.flatMap(inMemory);
      report.routers.push(...unknownRouters(request.routers));
      report.outcome = outcomeOf(report.routers, request);
      report.duration_seconds = secondsBetween(startedAt, clock.now());
      const operation = current();
      running.delete(id);
      finished.unshift(operation);
      finished.splice(MAX_FINISHED);
      ended.notify({ operation, request });
      return operation;
    }
  }

  /** The results of routers that do not exist. */
  function unknownRouters(named: readonly string[]): Operation['routers'] {
    const known = controls().map(({ state }) => state.name);
    return named
      .filter((router) => !known.includes(router))
      .map((router) => {
        const message = `no router is named ${router}; there is ${known.join(', ') || 'none'}`;
        return { router, models: [], fault: { kind: 'unknown_router', message } };
      });
  }

  function interrupt(why: string, routers?: readonly string[]): void {
    for (const { result, stopWaiting } of [...running.values()].flatMap(({ runs }) => runs)) {
      if (routers === undefined || routers.includes(result.router)) stopWaiting.abort(why);
    }
  }
}

/** The report of an operation that has just begun, at a wall time. */
function newReport(request: Work['request'], runs: readonly RouterRun[], startedAt: number): Operation {
  const { trigger, caller, reason, dryRun } = request;
  const report: Operation = {
    id: randomUUID(),
    action: isUnload(request) ? 'unload' : 'load',
    trigger,
    caller,
    reason,
    outcome: null,
    dry_run: dryRun,
    started_at: new Date(startedAt).toISOString(),
    duration_seconds: 0,
    routers: runs.map(({ result }) => result),
    summary: summarize([]),
    still_in_memory: [],
    unmatched_keep: [],
  };
  if (isUnload(request)) report.when_busy = request.whenBusy;
  return report;
}

/** A copy of the report that does not change any more. */
function reportOf({ report, startedAt, runs }: Omit<Running, 'done'>, now: number): Operation {
  const current = { ...report, summary: summarize(report.routers) };
  if (report.outcome === null) {
    current.duration_seconds = secondsBetween(startedAt, now);
    current.still_in_memory = runs.flatMap(inMemory);
  }
  return structuredClone(current);
}

/** What is in memory now; nothing of a router that is down. */
function inMemory({ control: { state } }: RouterRun): Operation['still_in_memory'] {
  if (!state.up) return [];
  return [...state.models.values()].flatMap(({ id, lifecycle: { status } }) =>
    isRunning(status) ? [{ router: state.name, model: id, status }] : [],
  );
}

function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}

/** The finished operations in the state file. */
export const OPERATIONS = { name: 'operations', schema: z.array(operation) };
