import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { StatePart } from '../state/keep-state.ts';
import type { Guards } from './guards.ts';
import { beginOperation, type LiveOperation, type Progress } from './operation.ts';
import { createQueues } from './queues.ts';
import { goneOf, type Operation, operation, type Refusal } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';
import { runOnRouter } from './run.ts';
import { subsumes } from './subsumes.ts';
import type { UnloadControl } from './unload-control.ts';
import type { Patience } from './unload-model.ts';

/** An operation that was asked for. */
export interface Started {
  id: string;
  /** It was under way already, and does all that this request asks for. */
  joined: boolean;
  /** As it is at this moment. */
  report(): Operation;
  /** Resolves with the finished operation; never rejects. */
  done: Promise<Operation>;
}

/** Every unload of the service goes through here: one on a router at a time, guarded, reported, remembered. */
export interface Operations {
  /** Starts an operation, or joins one that does the same. Never throws. */
  start(request: UnloadRequest, progress?: Progress): Started;
  /** What has been done, and what is under way; the newest first. */
  list(): readonly Operation[];
  get(id: string): Operation | undefined;
  /** When an operation last unloaded something on this router; milliseconds since the epoch. */
  lastUnload(router: string): number | undefined;
  /** Told of every finished operation. */
  onEnd(listener: (operation: Operation, request: UnloadRequest) => void): () => void;
  /** Told when an operation that was not refused is about to begin on a router: not of dry runs. */
  onBegin(listener: (router: string, request: UnloadRequest) => void): () => void;
  /** Finished operations of an earlier process, the newest first. */
  restore(operations: readonly Operation[]): void;
  /** Another number after every operation that ended. */
  version(): number;
  /** Gives up waiting for busy models, soon for the others too, and resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

export interface OperationsParts {
  /** The routers as they are followed now. */
  hands(): readonly UnloadControl[];
  /** What is never unloaded on this router, whoever asks. */
  keep(router: string): readonly string[];
  guards: Guards;
  clock: Clock;
}

/** So many finished operations are remembered. */
const REMEMBERED = 100;

/** So long the end of what was ordered is still looked at when the service ends: most models take less. */
const LAST_LOOK_MS = 2000;

/** So many requests that ask for something else may wait for their turn on one router. */
const MOST_WAITING = 8;

interface Running {
  live: LiveOperation;
  /** On each of its routers, whether busy models may still be waited for. */
  waiting: ReadonlyMap<string, AbortController>;
  done: Promise<Operation>;
}

export function createOperations({ hands, keep, guards, clock }: OperationsParts): Operations {
  const queues = createQueues();
  const running = new Map<string, Running>();
  const finished: Operation[] = [];
  const lastUnloads = new Map<string, number>();
  const ended = createListeners<[Operation, UnloadRequest]>();
  const begun = createListeners<[string, UnloadRequest]>();
  let version = 0;
  const ending = new AbortController();
  let stopping: string | undefined;

  return {
    start(request, progress) {
      const wanted = hands().filter(
        ({ state }) => request.routers.length === 0 || request.routers.includes(state.name),
      );
      const same = request.dryRun ? undefined : findSame(request, wanted);
      if (same) return started(same, true);
      const names = wanted.map(({ state }) => state.name);
      const live = beginOperation(request, names, clock, progress);
      const waiting = new Map(names.map((name) => [name, new AbortController()]));
      if (stopping !== undefined) for (const each of waiting.values()) each.abort(stopping);
      if (request.whenBusy === 'force' && !isAutomatic(request.trigger)) preempt(names);
      // Now, and not when it is their turn: what belongs together does not stop itself.
      const granted = wanted.filter((each) => grant(live, each.state.name) || request.dryRun);
      const run: Running = { live, waiting, done: runAll(live, granted, waiting) };
      running.set(live.id, run);
      return started(run, false);
    },
    list: () => [...[...running.values()].map(({ live }) => live.report()).toReversed(), ...finished],
    get: (id) => running.get(id)?.live.report() ?? finished.find((operation) => operation.id === id),
    lastUnload: (router) => lastUnloads.get(router),
    onEnd: (listener) => ended.add(([operation, request]) => listener(operation, request)),
    onBegin: (listener) => begun.add(([router, request]) => listener(router, request)),
    restore(operations) {
      finished.push(...operations);
      finished.splice(REMEMBERED);
      for (const operation of operations.toReversed()) remember(operation);
    },
    version: () => version,
    async stop() {
      stopping = 'the exporter is shutting down';
      for (const { waiting } of running.values()) for (const each of waiting.values()) each.abort(stopping);
      const cancel = clock.after(LAST_LOOK_MS, () => ending.abort(stopping));
      await Promise.all([...running.values()].map(({ done }) => done));
      cancel();
    },
  };

  function findSame(request: UnloadRequest, wanted: readonly UnloadControl[]): Running | undefined {
    const asked = wanted.map(({ state }) => ({
      state,
      request: withKeep(request, state.name),
    }));
    return [...running.values()].find(({ live }) => subsumes(live, asked, clock.now()));
  }

  /** A person who forces does not wait for operations that wait for busy models, or would. */
  function preempt(routers: readonly string[]): void {
    for (const { waiting } of running.values()) {
      for (const router of routers) waiting.get(router)?.abort('another request forces it');
    }
  }

  /** Whether the guards let it act on this router; a dry run tells of a refusal, and then what would be done. */
  function grant(live: LiveOperation, router: string): boolean {
    const refusal = guards.judge(router, live.request);
    if (refusal) live.refused(router, refusal);
    return refusal === undefined;
  }

  async function runAll(
    live: LiveOperation,
    granted: readonly UnloadControl[],
    waiting: Running['waiting'],
  ): Promise<Operation> {
    await Promise.all(
      granted.map((each) => {
        const busy = waiting.get(each.state.name)?.signal ?? ending.signal;
        return runOne(live, each, { busy, gone: ending.signal });
      }),
    );
    live.finish(hands().map(({ state }) => state.name));
    running.delete(live.id);
    const operation = live.report();
    finished.unshift(operation);
    finished.splice(REMEMBERED);
    remember(operation);
    version += 1;
    ended.tell([operation, live.request]);
    return operation;
  }

  async function runOne(live: LiveOperation, each: UnloadControl, patience: Patience): Promise<void> {
    const { name } = each.state;
    const request = withKeep(live.request, name);
    const work = async () => {
      if (!request.dryRun) begun.tell([name, request]);
      live.ended(name, await runOnRouter(request, each, clock, patience, live.newsOf(name)));
      const gone = live.gone(name);
      if (gone.length > 0) guards.acted(name, request, gone);
    };
    if (request.dryRun) return work();
    if (queues.length(name) > MOST_WAITING) return live.refused(name, TOO_MANY);
    await queues.run(name, work);
  }

  function remember(operation: Operation): void {
    const at = Date.parse(operation.started_at) + operation.duration_seconds * 1000;
    for (const result of operation.routers) {
      if (goneOf(result).length > 0) lastUnloads.set(result.router, at);
    }
  }

  function withKeep(request: UnloadRequest, router: string): UnloadRequest {
    const { selection } = request;
    return { ...request, selection: { ...selection, keep: [...selection.keep, ...keep(router)] } };
  }
}

const TOO_MANY: Refusal = {
  reason: 'in_progress',
  detail: `${MOST_WAITING} other requests wait for their turn on this router already`,
  retry_after_seconds: 30,
};

function started({ live, done }: Running, joined: boolean): Started {
  return { id: live.id, joined, report: live.report, done };
}

export function operationsPart(operations: Operations): StatePart<Operation[]> {
  return {
    name: 'operations',
    schema: z.array(operation),
    snapshot: () => operations.list().filter(({ outcome }) => outcome !== null),
    restore: operations.restore,
  };
}
