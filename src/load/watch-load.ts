import { isRunning } from '../models/feed.ts';
import type { Change, Transition } from '../models/router-state.ts';
import { settle } from '../unload/operation.ts';
import type { LoadRun } from './load-model.ts';

/** How a load ended, and which models the router evicted meanwhile. */
export interface WatchedLoad {
  /** `unloaded`: on the order of a client. `timeout`: its end was not waited for any longer. */
  how: 'loaded' | 'failed' | 'unloaded' | 'unreachable' | 'timeout';
  exitCode?: number | undefined;
  evicted: readonly string[];
}

/** Between two reports of progress. */
const PROGRESS_MS = 500;

/** The event shows the end; the model is looked up in a new listing each time none came for this long. */
const REFRESH_MS = 5000;

/** The same on a router without event stream. */
const POLL_MS = 1000;

/** Waits for the end of a load until `deadline`, and reports its progress. */
export function watchLoad(run: LoadRun, model: string, deadline: number) {
  const { control, clock } = run;
  const { state } = control;
  const { signal } = run.stopWaiting;
  const evicted: string[] = [];
  let wasSeen = state.models.get(model)?.lifecycle.status === 'loading';
  let isOver = false;
  let lookedUpAt = clock.now();
  let resolve = (_end: WatchedLoad) => {};
  const end = new Promise<WatchedLoad>((resolveEnd) => {
    resolve = resolveEnd;
  });
  const stop = () => finish('timeout');
  const stopListening = control.onTransition(observe);
  let cancelTick = clock.after(PROGRESS_MS, tick);
  const cancelTimeout = clock.after(Math.max(0, deadline - clock.now()), stop);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  else report();
  return {
    end,
    stop,
    /** The router has started a process: from now on, a model that is not in memory has ended. */
    accepted(): void {
      wasSeen = true;
    },
  };

  function observe(transition: Transition): void {
    if (transition.kind !== 'model' || transition.router !== state.name) return;
    const { change } = transition;
    if (transition.model !== model) {
      if (change.kind === 'unloaded' && change.reason === 'evicted') evicted.push(transition.model);
      return;
    }
    const how = endOf(change);
    if (how !== undefined) finish(how, change.kind === 'load_failed' ? change.exitCode : undefined);
    else if (change.kind === 'status' && change.to === 'loading') wasSeen = true;
  }

  async function tick(): Promise<void> {
    cancelTick = () => {};
    report();
    const pauseMs = state.stream === 'connected' ? REFRESH_MS : POLL_MS;
    if (clock.now() - lookedUpAt >= pauseMs) {
      const isStarted = wasSeen;
      await control.refresh();
      lookedUpAt = clock.now();
      if (!isOver) judge(isStarted);
    }
    if (!isOver) cancelTick = clock.after(PROGRESS_MS, tick);
  }

  /** Judges what a listing shows; `isStarted`: the process was started before the listing was requested. */
  function judge(isStarted: boolean): void {
    const status = state.models.get(model)?.lifecycle.status;
    if (state.fault?.kind === 'unreachable') finish('unreachable');
    else if (!state.up) return;
    else if (status === 'loaded' || status === 'sleeping') finish('loaded');
    else if (isStarted && !isRunning(status)) finish('failed');
  }

  function report(): void {
    const progress = state.models.get(model)?.lifecycle.loading?.progress;
    const share = progress === undefined ? '' : `: ${Math.round(progress * 100)}%`;
    settle(run, { model, result: null, detail: `loading${share}` });
  }

  function finish(how: WatchedLoad['how'], exitCode?: number): void {
    if (isOver) return;
    isOver = true;
    stopListening();
    cancelTick();
    cancelTimeout();
    signal.removeEventListener('abort', stop);
    resolve({ how, exitCode, evicted });
  }
}

/** How a load ended whose model changed so; undefined while it goes on. */
function endOf(change: Change): WatchedLoad['how'] | undefined {
  switch (change.kind) {
    case 'loaded':
    case 'woke':
      return 'loaded';
    case 'load_failed':
      return 'failed';
    case 'unloaded':
      // Of an earlier process, where the reason of its end was pending until now.
      return change.from === 'loading' ? 'unloaded' : undefined;
    case 'vanished':
      return 'unloaded';
    default:
      return undefined;
  }
}
