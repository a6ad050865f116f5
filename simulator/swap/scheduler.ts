import { createLimit } from '../../src/lib/concurrency.ts';
import type { SwapGroup } from './settings.ts';
import type { SwapProcess } from './swap-process.ts';

/** How long a model evicted by a group is given to stop. */
const EVICTION_SECONDS = 120;

/** `unloaded`: its model was unloaded while it waited. `gone`: the client did not wait. */
export type Admission = 'ready' | 'failed' | 'unloaded' | 'gone';

interface Waiter {
  readonly process: SwapProcess;
  settle(admission: Admission): void;
}

/** A start under way, with what is stopped for it and who waits for it. */
interface Swap {
  readonly evicts: readonly SwapProcess[];
  waiters: Waiter[];
}

export type Scheduler = ReturnType<typeof createScheduler>;

/**
 * Decides which models are stopped for another, in the order of requests. It handles one thing at a time: while an
 * unload waits for a process to end, every request waits too.
 */
export function createScheduler(
  processes: readonly SwapProcess[],
  groups: Readonly<Record<string, SwapGroup>>,
) {
  const swaps = new Map<SwapProcess, Swap>();
  const oneAtATime = createLimit(1);
  const handle = (action: () => void | Promise<void>) => oneAtATime(async () => action());
  const evictedFor = evictionRules(processes, groups);
  let queue: Waiter[] = [];
  let isOver = false;

  return {
    /** With the end of llama-swap nothing is loaded any more, also not for requests that wait. */
    end(): void {
      isOver = true;
      for (const { settle } of queue) settle('gone');
      queue = [];
    },
    /** Loads the model if needed. `ready` must be followed by `done`. */
    admit: (process: SwapProcess, gone?: AbortSignal) =>
      new Promise<Admission>((settle) => {
        const waiter = { process, settle };
        gone?.addEventListener('abort', () => void handle(() => drop(waiter)));
        void handle(() => {
          if (gone?.aborted || isOver) settle('gone');
          else if (!place(waiter)) queue.push(waiter);
        });
      }),
    /** The end of a request. */
    done: (process: SwapProcess) =>
      handle(() => {
        process.serving -= 1;
        if (process.serving === 0) retryQueue();
      }),
    /** Resolves when these are gone. It does not wait for their requests. */
    unload: (targets: readonly SwapProcess[]) =>
      handle(async () => {
        for (const target of targets) forget(target);
        await Promise.all(targets.map((target) => target.stop()));
        retryQueue();
      }),
  };

  /** Serves the request or has its model loaded; false when it must wait for another model. */
  function place(waiter: Waiter): boolean {
    const { process } = waiter;
    const joined = swaps.get(process);
    if (joined) {
      joined.waiters.push(waiter);
      return true;
    }
    const evicts = evictedFor(process, (other) => other.isRunning() || swaps.has(other));
    if (collides(process, evicts)) return false;
    if (process.state === 'ready' && evicts.length === 0) {
      grant(waiter);
      return true;
    }
    // A model with requests is not evicted.
    if (evicts.some(({ serving }) => serving > 0)) return false;
    const swap = { evicts, waiters: [waiter] };
    swaps.set(process, swap);
    void run(process, swap);
    return true;
  }

  function collides(process: SwapProcess, evicts: readonly SwapProcess[]): boolean {
    return [...swaps].some(
      ([target, swap]) =>
        evicts.includes(target) ||
        swap.evicts.includes(process) ||
        evicts.some((each) => swap.evicts.includes(each)),
    );
  }

  async function run(process: SwapProcess, swap: Swap): Promise<void> {
    await Promise.all(swap.evicts.map((each) => each.stop(EVICTION_SECONDS)));
    const end = isOver ? 'failed' : await process.ensureReady();
    await handle(() => {
      if (swaps.get(process) !== swap) return;
      swaps.delete(process);
      for (const waiter of swap.waiters) {
        if (end === 'ready') grant(waiter);
        else waiter.settle('failed');
      }
      retryQueue();
    });
  }

  function grant({ process, settle }: Waiter): void {
    process.serving += 1;
    settle('ready');
  }

  function retryQueue(): void {
    const waiting = queue;
    queue = [];
    for (const waiter of waiting) if (!place(waiter)) queue.push(waiter);
  }

  function forget(target: SwapProcess): void {
    const waiting = [
      ...(swaps.get(target)?.waiters ?? []),
      ...queue.filter(({ process }) => process === target),
    ];
    swaps.delete(target);
    queue = queue.filter(({ process }) => process !== target);
    for (const { settle } of waiting) settle('unloaded');
  }

  /** Its load goes on. */
  function drop(waiter: Waiter): void {
    queue = queue.filter((each) => each !== waiter);
    for (const swap of swaps.values()) swap.waiters = swap.waiters.filter((each) => each !== waiter);
    waiter.settle('gone');
  }
}

/** Which of the running models are stopped for a model. */
function evictionRules(processes: readonly SwapProcess[], groups: Readonly<Record<string, SwapGroup>>) {
  const rest: SwapGroup = { members: [] };
  const groupOf = new Map(
    processes.map((process) => {
      const { id } = process.description;
      return [process, Object.values(groups).find(({ members }) => members.includes(id)) ?? rest];
    }),
  );
  return (target: SwapProcess, isRunning: (process: SwapProcess) => boolean): readonly SwapProcess[] => {
    const { swap = true, exclusive = true } = groupOf.get(target) ?? rest;
    return processes.filter((process) => {
      if (process === target || !isRunning(process)) return false;
      const group = groupOf.get(process);
      return group === groupOf.get(target) ? swap : exclusive && group?.persistent !== true;
    });
  };
}
