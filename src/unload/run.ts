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
  const wasLoading = desk.belief.models.get(model)?.life.status === 'loading';
  const end = watchForEnd(model, hands, clock, options.timeoutMs);
  // Before the request: its event may arrive before its answer.
  const takeBack = desk.asking(model);
  const answer = await hands.unload(model);
  if (answer.ok && answer.value !== 'accepted') {
    takeBack();
    end.stop();
    return answer.value === 'not_running'
      ? { model, result: 'already_unloaded' }
      : { model, result: 'failed', detail: 'the router does not know it any more' };
  }
  // Without an answer it may have been done all the same: one look tells.
  if (!answer.ok) await hands.refresh();
  if (!answer.ok || !options.wait) end.stop();
  const gone = await end.gone;
  const seconds = Math.max(0, clock.now() - startedAt) / 1000;
  if (gone === 'marked failed' && !wasLoading) {
    return { model, result: 'forced', seconds, detail: 'it did not stop by itself and was killed' };
  }
  if (gone) return { model, result: 'unloaded', seconds };
  if (!answer.ok) {
    takeBack();
    return { model, result: 'failed', detail: answer.fault.message };
  }
  if (!options.wait) return { model, result: 'asked' };
  return { model, result: 'timeout', seconds, detail: whyTimedOut(desk, options) };
}

function whyTimedOut({ belief }: RouterDesk, { timeoutMs }: RunOptions): string {
  if (belief.fault) return `the router accepted, and then could not be asked: ${belief.fault.message}`;
  return `the router accepted, but it was still there after ${timeoutMs / 1000} s`;
}

type Gone = 'marked failed' | 'unmarked' | undefined;

/** Resolves when the store has seen the model go, and how; to undefined when the time is up. */
function watchForEnd(model: string, { desk, refresh, onTransition }: Hands, clock: Clock, timeoutMs: number) {
  let ended = false;
  let settle = (_gone: Gone) => {};
  const gone = new Promise<Gone>((resolve) => {
    settle = resolve;
  });
  const stopListening = onTransition((transition) => {
    if (transition.router !== desk.belief.name || transition.kind !== 'model') return;
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
      const life = desk.belief.models.get(model)?.life;
      if (desk.belief.up && !isRunning(life?.known)) finish(howItWent());
      else if (!ended) cancelRefresh = clock.after(REFRESH_MS, look);
    });
  }

  function howItWent(): Gone {
    return desk.belief.models.get(model)?.life.markedFailed ? 'marked failed' : 'unmarked';
  }

  function finish(how: Gone): void {
    ended = true;
    stopListening();
    cancelRefresh();
    cancelTimeout();
    settle(how);
  }
}
