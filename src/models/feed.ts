import type { Result } from '../lib/result.ts';
import type { Status } from './status.ts';

/** Why a router could not be understood. `message` is for a person: what was tried, what came back. */
export interface Fault {
  kind: FaultKind;
  message: string;
}

export const FAULT_KINDS = ['unreachable', 'timeout', 'unauthorized', 'not_a_router', 'bad_answer'] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export type Answer<Value> = Result<Value, Fault>;

/** One model as the router lists it. */
export interface ListedModel {
  id: string;
  aliases: string[];
  status: Status;
  /** The router's mark on a process that ended badly; also there after a forced unload. */
  failed: boolean;
  exitCode?: number;
  /**
   * The port of the model's process, new at every load and kept after it ended: two listings with different
   * ports saw different processes. Absent before the first load, and on builds that do not tell.
   */
  instance?: number;
  facts: ModelFacts;
}

/** What is known of a model beyond its status. The router tells most of it only while the model runs. */
export interface ModelFacts {
  source?: string;
  quantization?: string;
  parameters?: number;
  sizeBytes?: number;
  contextTokens?: number;
}

export interface Listing {
  models: ListedModel[];
  /** Entries that were left out, each with what is wrong with it. */
  malformed: string[];
}

export interface RouterProps {
  /** `--models-max`; 0 is unlimited. */
  modelsMax?: number;
  autoload?: boolean;
  build?: string;
}

/** One line of `/models/sse`, understood. `name` is the router's word for it. */
export type RouterEvent = { name: string } & (
  | {
      kind: 'status';
      model: string;
      status: Status;
      /** A new process was started (`model_status`): tells a load from a wake. */
      begins: boolean;
      exitCode?: number;
      /** 0 to 1, while loading. */
      progress?: number;
      facts?: ModelFacts;
    }
  | { kind: 'download'; model: string; doneBytes: number; totalBytes: number }
  | { kind: 'list_changed' }
  | { kind: 'unknown' }
);

/** How following the event stream ended. */
export type StreamEnd = { kind: 'unsupported' } | { kind: 'ended' } | { kind: 'fault'; fault: Fault };

/** What the tracker needs of a router. No call throws; every call ends soon after its signal aborts. */
export interface RouterFeed {
  list(signal: AbortSignal): Promise<Answer<Listing>>;
  props(signal: AbortSignal): Promise<Answer<RouterProps>>;
  /** Calls `opened` when the stream stands, then `event` for each event in order; resolves when it is over. */
  follow(signal: AbortSignal, opened: () => void, event: (event: RouterEvent) => void): Promise<StreamEnd>;
}
