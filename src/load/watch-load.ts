import { isRunning, type Status } from '../models/feed.ts';
import type { Change, Transition } from '../models/router-state.ts';
import { settle } from '../unload/operation.ts';
import { watch } from '../unload/watch.ts';
import type { LoadRun } from './load-model.ts';

/** `unloaded`: on the order of a client. `timeout`: its end was not waited for any longer. */
type How = 'loaded' | 'failed' | 'unloaded' | 'unreachable' | 'timeout';

/** How a load ended, and which models the router evicted meanwhile. */
export interface WatchedLoad {
  how: How;
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
  let exitCode: number | undefined;
  let wasSeen = statusNow() === 'loading';
  let lookedUpAt = clock.now();
  const longestMs = Math.max(0, deadline - clock.now());
  const { end, stop } = watch({ control, clock, signal, longestMs, everyMs: PROGRESS_MS, observe, look });
  if (signal.aborted) stop();
  else report();
  return {
    end: end.then((how = 'timeout'): WatchedLoad => ({ how, exitCode, evicted })),
    stop,
    /** The router has started a process: from now on, a model that is not in memory has ended. */
    accepted(): void {
      wasSeen = true;
    },
  };

  function statusNow(): Status | undefined {
    return state.models.get(model)?.lifecycle.status;
  }

  function observe({ model: changed, change }: Extract<Transition, { kind: 'model' }>): How | undefined {
    if (changed !== model) {
      if (change.kind === 'unloaded' && change.reason === 'evicted') evicted.push(changed);
      return undefined;
    }
    if (change.kind === 'status' && change.to === 'loading') wasSeen = true;
    if (change.kind === 'load_failed') exitCode = change.exitCode;
    return endOf(change);
  }

  async function look(): Promise<How | undefined> {
    report();
    const pauseMs = state.stream === 'connected' ? REFRESH_MS : POLL_MS;
    if (clock.now() - lookedUpAt < pauseMs) return undefined;
    // Judged is only what was started before the listing was requested.
    const isStarted = wasSeen;
    await control.refresh();
    lookedUpAt = clock.now();
    if (state.fault?.kind === 'unreachable') return 'unreachable';
    if (!state.up) return undefined;
    const status = statusNow();
    if (status === 'loaded' || status === 'sleeping') return 'loaded';
    return isStarted && !isRunning(status) ? 'failed' : undefined;
  }

  function report(): void {
    const progress = state.models.get(model)?.lifecycle.loading?.progress;
    const share = progress === undefined ? '' : `: ${Math.round(progress * 100)}%`;
    settle(run, { model, result: null, detail: `loading${share}` });
  }
}

/** How a load ended whose model changed so; undefined while it goes on. */
function endOf(change: Change): How | undefined {
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
