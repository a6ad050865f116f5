import type { Result } from '../lib/result.ts';

/**
 * The status of a model as the server reports it; `other` is an unknown status, or none. Which of them a kind of server has is
 * one of its traits. `unloading`: the process has been ordered to end.
 */
export const STATUSES = [
  'downloading',
  'unloaded',
  'loading',
  'loaded',
  'sleeping',
  'unloading',
  'other',
] as const;

export type Status = (typeof STATUSES)[number];

/** Whether a model in this status has a process, as `--models-max` counts it. */
export function isRunning(status: Status | undefined): status is RunningStatus {
  return RUNNING.some((running) => running === status);
}

export const RUNNING = ['loading', 'loaded', 'sleeping', 'unloading'] as const;

type RunningStatus = (typeof RUNNING)[number];

export type RouterAnswer<Value> = Result<Value, RouterFault>;

/** Why a request to a router failed. `message` is for an operator: the URL, and what came back. */
export interface RouterFault {
  kind: FaultKind;
  message: string;
}

export const FAULT_KINDS = ['unreachable', 'timeout', 'unauthorized', 'not_a_router', 'bad_answer'] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Listing {
  models: ListedModel[];
  /** Entries that were left out, each with what is wrong with it. */
  malformed: string[];
}

/** One model as the router lists it. */
export interface ListedModel {
  id: string;
  aliases: string[];
  status: Status;
  /** The router marks a process that ended badly; a killed one too. */
  failed: boolean;
  /** Of an ended process, where it is not 0 and the build lists it. */
  exitCode?: number | undefined;
  /**
   * The port of the model's process: new at every load and kept after its end, so different ports mean different
   * processes. Absent before the first load, and on builds that do not list it.
   */
  instance?: number | undefined;
  /**
   * Idle seconds after which the model falls asleep (`--sleep-idle-seconds`); 0: never. Absent where the router does not list
   * the arguments.
   */
  sleepIdleSeconds?: number | undefined;
  /** Its process has loaded the model before, so `loading` is a wake, and otherwise a load. Absent where the build does not tell. */
  hasLoaded?: boolean | undefined;
  /** Idle seconds after which the server unloads it; 0: never. Absent where the server has no such limit. */
  ttlSeconds?: number | undefined;
  /** Requests under way or waiting for it, where the server reports it without being asked. */
  inFlight?: number | undefined;
  /** How its process is recognised, where the server does not give it the model's id as `--alias`. */
  process?: ProcessDescription | undefined;
  facts: ModelFacts;
}

export interface ProcessDescription {
  /** As a POSIX shell would split it. */
  readonly command: string;
  /** Where it listens: the same for every process of the model. */
  readonly port?: number | undefined;
}

/** What is known of a model apart from its status. Most of it is listed only while the model runs. */
export interface ModelFacts {
  source?: string;
  quantization?: string;
  parameters?: number;
  sizeBytes?: number;
  contextTokens?: number;
}

export interface RouterProps {
  /** `--models-max`; 0 is unlimited. */
  modelsMax?: number | undefined;
  autoload?: boolean | undefined;
  build?: string | undefined;
}

/** One parsed event of `/models/sse`. `name` is its type, as counted. */
export type RouterEvent = { name: string } & (
  | {
      kind: 'status';
      model: string;
      status: Status;
      /** A new process was started (`model_status`), so this is a load and no wake. */
      begins: boolean;
      exitCode?: number | undefined;
      /** How the process ended, where the server reports states without exit codes; `unseen`: for an unknown reason. */
      ending?: 'clean' | 'failed' | 'unseen' | undefined;
      /** 0 to 1, while loading. */
      progress?: number | undefined;
      facts?: ModelFacts | undefined;
    }
  /** Requests under way or waiting. */
  | { kind: 'work'; model: string; inFlight: number }
  | { kind: 'download'; model: string; doneBytes: number; totalBytes: number }
  | { kind: 'list_changed' }
  | { kind: 'unknown' }
);

export type StatusEvent = Extract<RouterEvent, { kind: 'status' }>;

/** How an event stream ended. */
export type StreamEnd = { kind: 'unsupported' } | { kind: 'ended' } | { kind: 'fault'; fault: RouterFault };
