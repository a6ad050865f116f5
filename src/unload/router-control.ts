import type { Doing } from '../engine/activity-probe.ts';
import type { Transition } from '../models/router-state.ts';
import type { Answer } from '../models/feed.ts';
import type { RouterDesk } from '../models/router-entry.ts';
import type { Asked } from '../backends/llama-server/client.ts';
import type { MemoryReading } from './plan.ts';

/** What unloading on one router needs. No call throws. */
export interface Hands {
  desk: RouterDesk;
  /** What a loaded model is doing now. Never to be asked of a sleeper. */
  ask(model: string): Promise<Doing>;
  /**
   * Orders the unload; the answer is no outcome yet. `lastLook` is asked right before the order is sent: when it
   * says no, nothing is sent.
   */
  unload(model: string, lastLook: () => Promise<boolean>): Promise<Answer<Asked | 'not_sent'>>;
  /** Lists the models anew, for the case that an event was missed. */
  refresh(): Promise<void>;
  onTransition(listener: (transition: Transition) => void): () => void;
  /**
   * Measures the memory that the router's models share; undefined where nothing does. `briefly` takes the last
   * reading where a new one is long in coming; `patiently` waits for a new one.
   */
  memory?(how: 'briefly' | 'patiently'): Promise<MemoryReading | undefined>;
}
