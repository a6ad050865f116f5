import type { UnloadAnswer } from '../backends/llama-server/client.ts';
import type { ProbeResult } from '../engine/activity.ts';
import type { Mutex } from '../lib/concurrency.ts';
import type { RouterAnswer } from '../models/feed.ts';
import type { RouterState, Transition } from '../models/router-state.ts';

/** What an operation needs to act on one router. No call throws. */
export interface RouterControl {
  /** The observed state; always the current one. */
  readonly state: Readonly<RouterState>;
  /** Asks a loaded model whether it is busy. Never call it for a sleeping model: the request may wake it. */
  probe(model: string): Promise<ProbeResult>;
  /**
   * Runs work that ends with an order to this router while no other such work runs, so that a last check directly
   * before the order stays true until the order is sent. Work that takes longer than half a second stops blocking.
   */
  exclusive: Mutex;
  /** Sends the unload order; the answer only acknowledges it. To be called within `exclusive`. */
  unload(model: string): Promise<RouterAnswer<UnloadAnswer>>;
  /**
   * Marks an unload request of ours as pending, so that the end of the model is attributed to us. To be called before
   * the request is sent: its event may arrive before its answer. The returned function cancels the mark.
   */
  markUnloadPending(model: string): () => void;
  /** Lists the models now, in case an event was missed; resolves when the listing is applied or has failed. */
  refresh(): Promise<void>;
  /** Transitions of all routers. */
  onTransition(listener: (transition: Transition) => void): () => void;
}
