import type { OnProgress } from '../unload/operation.ts';
import type { Caller, Trigger } from '../unload/request.ts';

/** What starts a load: a person, or the end of a hold. */
export const LOAD_TRIGGERS = ['api', 'cli', 'page', 'restore'] as const satisfies Trigger[];

export type LoadTrigger = (typeof LOAD_TRIGGERS)[number];

export interface LoadRequest {
  trigger: LoadTrigger;
  caller: Caller;
  reason: string;
  /** Names of routers; empty: the router that has the model. */
  routers: readonly string[];
  /** Ids or aliases, in the order in which they are loaded. */
  models: readonly string[];
  /** The longest time for one model, from its turn until it is loaded. */
  timeoutMs: number;
  dryRun: boolean;
  /** The id of the hold for which the models are loaded: it does not stand in the way. */
  hold?: string | undefined;
}

/** What the caller of a load decides and learns while it runs. */
export interface LoadSteps {
  /** Called directly before the order of each model: why it is skipped, undefined to load it. */
  mayStart?: (model: string, router: string) => Promise<string | undefined>;
  /** The router has accepted the order. */
  onOrdered?: (model: string, router: string) => void;
  /** Ends the operation early: models without an order are skipped, with the reason of the signal. */
  signal?: AbortSignal;
  onProgress?: OnProgress;
}
