import type { Asked } from '../backends/llama-server/client.ts';
import type { ProbeResult } from '../engine/activity-probe.ts';
import type { Answer } from '../models/feed.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import type { Transition } from '../models/router-state.ts';

/** What an operation needs to act on one router. No call throws. */
export interface RouterControl {
  entry: RouterEntry;
  /** What a loaded model is doing now. Never to be asked of a sleeper. */
  ask(model: string): Promise<ProbeResult>;
  /**
   * Orders the unload; the answer is no outcome yet. `lastLook` is asked right before the order is sent: when it
   * says no, nothing is sent.
   */
  unload(model: string, lastLook: () => Promise<boolean>): Promise<Answer<Asked | 'not_sent'>>;
  /** Lists the models anew, for the case that an event was missed. */
  refresh(): Promise<void>;
  onTransition(listener: (transition: Transition) => void): () => void;
}
