import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import type { Transition } from '../models/router-state.ts';

interface WatchParts<End> {
  control: RouterControl;
  clock: Clock;
  /** Ends the watch when it aborts. */
  signal: AbortSignal;
  longestMs: number;
  everyMs: number;
  /** How a model's change on this router ends the watch; undefined when it does not. */
  observe(transition: Extract<Transition, { kind: 'model' }>): End | undefined;
  /** The same at every interval, in case no event came. */
  look(): Promise<End | undefined>;
}

/** Waits for the end of what was ordered. `end` is undefined when it was not seen before the watch was over. */
export function watch<End>({ control, clock, signal, longestMs, everyMs, observe, look }: WatchParts<End>) {
  let isOver = false;
  let resolve = (_end: End | undefined) => {};
  const end = new Promise<End | undefined>((resolveEnd) => {
    resolve = resolveEnd;
  });
  const stop = () => finish(undefined);
  const stopListening = control.onTransition((transition) => {
    if (transition.kind !== 'model' || transition.router !== control.state.name) return;
    const seen = observe(transition);
    if (seen !== undefined) finish(seen);
  });
  let cancelLook = clock.after(everyMs, lookUp);
  const cancelTimeout = clock.after(longestMs, stop);
  signal.addEventListener('abort', stop);
  return { end, stop };

  async function lookUp(): Promise<void> {
    cancelLook = () => {};
    const seen = await look();
    if (seen !== undefined) finish(seen);
    else if (!isOver) cancelLook = clock.after(everyMs, lookUp);
  }

  function finish(seen: End | undefined): void {
    isOver = true;
    stopListening();
    cancelLook();
    cancelTimeout();
    signal.removeEventListener('abort', stop);
    resolve(seen);
  }
}
