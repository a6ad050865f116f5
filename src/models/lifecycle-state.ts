import type { Status, UnloadReason } from './status.ts';

/** What we believe of one model's life. Times are milliseconds since the epoch. */
export interface Lifecycle {
  status: Status;
  /** When it entered its status; absent when it was in it already at first sight. */
  since?: number;
  /** The last status that we understand: `status`, unless that is `other`. */
  known?: Status;
  /** While loading: whether a process started or a sleeper wakes, and when we saw it begin. */
  loading?: { kind: 'load' | 'wake'; startedAt?: number; progress?: number };
  /** The last load attempt failed. An unload that somebody asked for is no failure. */
  loadFailed: boolean;
  /** The router marks the ended process as failed (`exit_code` not 0): news only when it was not so before. */
  markedFailed: boolean;
  /** See ListedModel.instance; absent since an event told of a load, until the next listing. */
  instance?: number;
  /** We asked for its unload at this time and it has not gone yet. */
  unloadRequestedAt?: number;
  lastUnload?: { at: number; reason: UnloadReason };
  /** It went in good order while the router was full: the next event tells whether it was evicted. */
  pendingReason?: { at: number; from: Status };
}

/** A look at a model: an event of the router's stream, or its entry in a full listing. */
export type Observation =
  | {
      via: 'event';
      status: Status;
      /** A process was started (`model_status`): tells a load from a wake. */
      begins?: boolean;
      exitCode?: number;
      progress?: number;
      /** All places of `--models-max` were taken: an unload may be an eviction. */
      full?: boolean;
    }
  | {
      via: 'listing';
      status: Status;
      failed?: boolean;
      /** See ListedModel.instance. */
      instance?: number;
      /** The router was full and another model took a place since the last listing. */
      evicted?: boolean;
    };

/** What happened to a model: a change of status, and the deed behind it. */
export type Change =
  | { kind: 'appeared' }
  | { kind: 'status'; from?: Status; to: Status }
  | { kind: 'loaded'; durationSeconds?: number; reload?: { reason: UnloadReason; afterSeconds: number } }
  | { kind: 'load_failed' }
  | { kind: 'unloaded'; reason: UnloadReason; from: Status }
  | { kind: 'slept' }
  | { kind: 'woke' }
  | { kind: 'vanished' };

/** What we believe after a step, and what therefore happened. */
export interface Step {
  lifecycle: Lifecycle;
  changes: Change[];
}

export interface LifecycleRules {
  /** A load this soon after an unload is a reload-after-unload. */
  reloadWindowMs: number;
}
