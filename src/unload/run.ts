import type { Clock } from '../lib/clock.ts';
import type { Transition } from '../models/belief.ts';
import type { Answer } from '../models/feed.ts';
import type { RouterDesk } from '../models/router-desk.ts';
import { isRunning } from '../models/status.ts';
import type { ModelResult } from './report.ts';

/** What running a plan on one router needs. */
export interface Hands {
  desk: RouterDesk;
  /** Asks the router; its answer is no outcome yet. */
  unload(model: string): Promise<Answer<'accepted' | 'not_running' | 'already_running' | 'unknown_model'>>;
  /** Lists the models anew, for the case that an event was missed. */
  refresh(): Promise<void>;
  onTransition(listener: (transition: Transition) => void): () => void;
}

export interface RunOptions {
  /** How long one model may take to be gone, from the request on. */
  timeoutMs: number;
  /** False: the router's word that it will is enough. */
  wait: boolean;
  /** Told of each model as soon as its result is known. */
  onResult?(result: ModelResult): void;
}

/** As many unloads as are under way on one router at once: each is a process that ends. */
const AT_ONCE = 8;

/** The event says when a model is gone; a listing is asked for only when none has come for so long. */
const REFRESH_MS = 1000;

/**
 * Unloads these models, several at once, and answers what became of each, in the order given. Goes on when one
 * fails. A model counts as gone when the store has seen it go: the router's own "success" comes before
 * anything is freed.
 */
export async function runUnload(
  models: readonly string[],
  hands: Hands,
  clock: Clock,
  options: RunOptions,
): Promise<ModelResult[]> {
  const results: ModelResult[] = [];
  const waiting = models.map((model, index) => ({ model, index }));
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const result = await unloadOne(next.model, hands, clock, options);
      results[next.index] = result;
      options.onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, models.length) }, worker));
  return results;
}

async function unloadOne(
  model: string,
  hands: Hands,
  clock: Clock,
  options: RunOptions,
): Promise<ModelResult> {
  const { desk } = hands;
  const startedAt = clock.now();
  const seconds = () => Math.max(0, clock.now() - startedAt) / 1000;
  const wasLoading = desk.belief.models.get(model)?.life.status === 'loading';
  const end = watchForEnd(model, hands, clock, options.timeoutMs);
  // Before the request: its event may arrive before its answer.
  desk.asking(model);
  const answer = await hands.unload(model);
  if (!answer.ok || answer.value !== 'accepted') {
    desk.refused(model);
    end.stop();
    if (!answer.ok) return { model, result: 'failed', detail: answer.fault.message };
    if (answer.value === 'not_running') return { model, result: 'already_unloaded' };
    return { model, result: 'failed', detail: 'the router does not know it any more' };
  }
  if (!options.wait) {
    end.stop();
    return { model, result: 'asked' };
  }
  if (!(await end.gone)) {
    const detail = `the router accepted, but it was still there after ${options.timeoutMs / 1000} s`;
    return { model, result: 'timeout', seconds: seconds(), detail };
  }
  const killed = !wasLoading && desk.belief.models.get(model)?.life.markedFailed === true;
  return killed
    ? { model, result: 'forced', seconds: seconds(), detail: 'it was busy, did not stop, and was killed' }
    : { model, result: 'unloaded', seconds: seconds() };
}

/** Resolves to true when the store has seen the model go, to false when the time is up. */
function watchForEnd(model: string, { desk, refresh, onTransition }: Hands, clock: Clock, timeoutMs: number) {
  let ended = false;
  let settle = (_gone: boolean) => {};
  const gone = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const stopListening = onTransition((transition) => {
    if (transition.router !== desk.belief.name || transition.kind !== 'model') return;
    const { kind } = transition.change;
    // A model that is loaded again at once was gone all the same.
    if (transition.model === model && (kind === 'unloaded' || kind === 'vanished')) finish(true);
  });
  let cancelRefresh = clock.after(REFRESH_MS, look);
  const cancelTimeout = clock.after(timeoutMs, () => finish(false));
  return { gone, stop: () => finish(false) };

  function look(): void {
    cancelRefresh = () => {};
    refresh().then(() => {
      const life = desk.belief.models.get(model)?.life;
      if (desk.belief.up && !isRunning(life?.known)) finish(true);
      else if (!ended) cancelRefresh = clock.after(REFRESH_MS, look);
    });
  }

  function finish(value: boolean): void {
    ended = true;
    stopListening();
    cancelRefresh();
    cancelTimeout();
    settle(value);
  }
}
