import type { Clock } from '../lib/clock.ts';
import { isRunning } from '../models/status.ts';
import type { UnloadControl } from './unload-control.ts';

/** How a model was seen to go; undefined: it was not. */
export type Gone = 'marked failed' | 'unmarked' | undefined;

export interface Watch {
  gone: Promise<Gone>;
  /** Nobody waits any more: `gone` resolves to undefined, unless it has resolved already. */
  stop(): void;
}

/** The event says when a model is gone; a listing is asked for only when none has come for so long. */
const REFRESH_MS = 1000;

/** Waits until the store has seen the model go, at most `timeoutMs`. */
export function watchForEnd(
  model: string,
  { state, refresh, onTransition }: UnloadControl,
  clock: Clock,
  timeoutMs: number,
): Watch {
  let ended = false;
  let settle = (_gone: Gone) => {};
  const gone = new Promise<Gone>((resolve) => {
    settle = resolve;
  });
  const stopListening = onTransition((transition) => {
    if (transition.router !== state.name || transition.kind !== 'model') return;
    const { kind } = transition.change;
    // A model that is loaded again at once was gone all the same: what is believed now counts, not later.
    if (transition.model === model && (kind === 'unloaded' || kind === 'vanished')) finish(howItWent());
  });
  let cancelRefresh = clock.after(REFRESH_MS, look);
  const cancelTimeout = clock.after(timeoutMs, () => finish(undefined));
  return { gone, stop: () => finish(undefined) };

  function look(): void {
    cancelRefresh = () => {};
    refresh().then(() => {
      const lifecycle = state.models.get(model)?.lifecycle;
      if (state.up && !isRunning(lifecycle?.known)) finish(howItWent());
      else if (!ended) cancelRefresh = clock.after(REFRESH_MS, look);
    });
  }

  function howItWent(): Gone {
    return state.models.get(model)?.lifecycle.markedFailed ? 'marked failed' : 'unmarked';
  }

  function finish(how: Gone): void {
    ended = true;
    stopListening();
    cancelRefresh();
    cancelTimeout();
    settle(how);
  }
}
