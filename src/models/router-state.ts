import type { Config } from '../config/schema.ts';
import { matchesGlob } from '../lib/glob.ts';
import type { FaultKind, ListedModel, ModelFacts, RouterFault, RouterProps, Status } from './feed.ts';
import type { ServerTraits } from './server-traits.ts';
import type { Cause } from './usage.ts';

// Times are monotonic milliseconds (see lib/clock.ts) unless a comment says otherwise.

/** The observed state of one router. Its models are changed only by the functions in observations.ts. */
export interface RouterState {
  name: string;
  url: string;
  /** Whether the last listing succeeded; undefined before the first. */
  up: boolean | undefined;
  /** Why the last listing failed; absent while the router is up. */
  fault?: RouterFault;
  /** When the last listing arrived. */
  listedAt?: number;
  /** What was wrong with each entry of the last listing that was left out. */
  malformed: readonly string[];
  stream: StreamState;
  /** The pause between two listings while it has no event stream and nothing happens; known while it is followed. */
  pollingMs?: number | undefined;
  engineMetrics: EngineMetricsState;
  /** `engine.read` of the configuration. */
  readMode: Config['engine']['read'];
  /** Of the server that answered last; those of llama.cpp's router until one has. */
  traits: ServerTraits;
  props: RouterProps;
  /** What is known of its build; `unknown` while it is down. */
  buildClass: BuildClass;
  /**
   * It kills every process that it unloads, so the exit code does not tell why a process ended (see docs/router.md); undefined
   * as long as its listings do not show it.
   */
  killsAtOnce?: boolean | undefined;
  /** By id, in the router's order. While the router is down, this is the last known state. */
  models: Map<string, ModelState>;
}

/** How events arrive; routers whose stream is `unsupported` are polled. */
export const STREAM_STATES = ['connecting', 'connected', 'unsupported'] as const;

export type StreamState = (typeof STREAM_STATES)[number];

/** Whether a router's models publish metrics of their own (`--metrics`). */
export const ENGINE_METRICS_STATES = ['unknown', 'enabled', 'disabled'] as const;

export type EngineMetricsState = (typeof ENGINE_METRICS_STATES)[number];

/** Why a model's own metrics are not read. */
export const UNREAD_REASONS = ['off', 'no_metrics', 'idle_timer'] as const;

export type UnreadReason = (typeof UNREAD_REASONS)[number];

/**
 * What a build means for the exporter: `no_event_stream` is polled, and like `reads_restart_timers` it counts a read of a
 * model's metrics as use, so that reads keep the model awake; `reads_exempt` does not. Only the last may be assumed where
 * that matters.
 */
export const BUILD_CLASSES = ['unknown', 'no_event_stream', 'reads_restart_timers', 'reads_exempt'] as const;

export type BuildClass = (typeof BUILD_CLASSES)[number];

/**
 * The observed state of one model. Immutable: every change makes a new object, so a cache of something derived from a
 * model may compare by identity.
 */
export interface ModelState
  extends Readonly<Pick<ListedModel, 'sleepIdleSeconds' | 'ttlSeconds' | 'process'>> {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly lifecycle: Lifecycle;
  readonly facts: ModelFacts;
  readonly firstSeenAt: number;
  /** Duration of the last load that was observed from start to end. */
  readonly loadSeconds?: number | undefined;
  readonly download?: { readonly doneBytes: number; readonly totalBytes: number } | undefined;
  /** Absent while unknown: not read yet, or the router runs without `--metrics`. */
  readonly activity?: Activity | undefined;
}

/**
 * Why a model left memory. `expired`: it was idle for its time to live. `unknown`: its end was not observed, and what was
 * observed before and after it does not tell.
 */
export const UNLOAD_REASONS = ['requested', 'external', 'evicted', 'expired', 'crashed', 'unknown'] as const;

export type UnloadReason = (typeof UNLOAD_REASONS)[number];

/** Where a model is in its lifecycle, as far as it was observed. */
export interface Lifecycle {
  readonly status: Status;
  /** When it entered its status; absent when it was already in it at the first observation. */
  readonly since?: number | undefined;
  /** The last status that the exporter knows: `status`, unless that is `other`. */
  readonly known?: Status | undefined;
  /** While loading: whether a process starts or a sleeping model wakes, and when that began. */
  readonly loading?:
    | {
        readonly kind: 'load' | 'wake';
        readonly startedAt?: number | undefined;
        readonly progress?: number | undefined;
      }
    | undefined;
  /** The last load failed. A requested unload during a load is no failure. */
  readonly loadFailed: boolean;
  /** The router marks the ended process as failed (`exit_code` not 0). */
  readonly markedFailed: boolean;
  /** See ListedModel.instance; absent after an event of a load until the next listing. */
  readonly instance?: number | undefined;
  /** When the pending unload request was made; absent without one. */
  readonly unloadRequestedAt?: number | undefined;
  readonly lastUnload?: LastUnload | undefined;
  /** The pending unload reason: it ended while the router was full, so the next event decides. */
  readonly pendingReason?: PendingReason | undefined;
  /** While unloading: its status before. */
  readonly unloadingFrom?: Status | undefined;
}

interface PendingReason {
  readonly at: number;
  readonly from: Status;
  readonly killed: boolean;
  /** The reason if it is no eviction. */
  readonly otherwise: UnloadReason;
}

export interface LastUnload {
  readonly at: number;
  readonly reason: UnloadReason;
  /** It did not stop when the router told it to, and was killed. */
  readonly forced?: true | undefined;
}

/** What a model's own metrics say about its work. */
export interface Activity {
  /** It is processing a request, or requests are waiting. */
  readonly busy: boolean;
  /** When this process was first read. */
  readonly watchedAt: number;
  /** When its work counters last moved, as far as observed. */
  readonly lastAt?: number | undefined;
  /** Sum of the work counters of this process. */
  readonly work: number;
}

/** One change of a model: its status, or what a change of status means. */
export type Change =
  | { kind: 'appeared' }
  | { kind: 'status'; from?: Status; to: Status }
  | {
      kind: 'loaded';
      durationSeconds?: number | undefined;
      reload?: { reason: UnloadReason; afterSeconds: number } | undefined;
    }
  | { kind: 'load_failed'; exitCode?: number | undefined }
  | { kind: 'unloaded'; reason: UnloadReason; from: Status; forced?: true | undefined }
  | { kind: 'slept' }
  | { kind: 'woke' }
  | { kind: 'vanished' };

/** A change of the observed state that is published: to counters, log and event stream. */
export type Transition = { router: string; at: number } & (
  | {
      kind: 'model';
      model: string;
      change: Change;
      /** Of a reload: why a client requested the model. */
      cause?: Cause | undefined;
    }
  | { kind: 'router'; change: 'added' | 'removed' | 'up' }
  | { kind: 'router'; change: 'down'; fault: RouterFault }
  | { kind: 'malformed'; entries: readonly string[] }
  | { kind: 'stream'; state: StreamState }
);

/** What a tracker did, for the exporter's metrics about itself. */
export type Notice = { router: string; at: number } & (
  | { kind: 'event'; event: string }
  | { kind: 'polled'; seconds: number; fault?: FaultKind | undefined }
  | { kind: 'reconnecting' }
);

/** Whether a glob matches the model's id or one of its aliases. */
export function matchesModel(
  patterns: readonly string[],
  { id, aliases }: Pick<ModelState, 'id' | 'aliases'>,
): boolean {
  return patterns.some((pattern) => [id, ...aliases].some((name) => matchesGlob(pattern, name)));
}

/** The model with this id, else the first with this alias. */
export function modelNamed(models: ReadonlyMap<string, ModelState>, name: string): ModelState | undefined {
  return models.get(name) ?? [...models.values()].find(({ aliases }) => aliases.includes(name));
}

/**
 * Why the own metrics of a model in memory are not read; undefined when they are. Only a build that is known to exempt reads
 * may be read while the model has an idle timer, or may have one: elsewhere it would never fall asleep.
 */
export function unreadReason(
  { readMode, engineMetrics, buildClass }: Pick<RouterState, 'readMode' | 'engineMetrics' | 'buildClass'>,
  { sleepIdleSeconds }: Pick<ModelState, 'sleepIdleSeconds'>,
): UnreadReason | undefined {
  if (readMode === 'off') return 'off';
  if (engineMetrics === 'disabled') return 'no_metrics';
  const mayBeRead = readMode === 'on' || buildClass === 'reads_exempt' || sleepIdleSeconds === 0;
  return mayBeRead ? undefined : 'idle_timer';
}

/**
 * Since when a model in memory has been idle; undefined when it is busy, loading, not in memory or unknown. Never
 * earlier than observed: a model may have been idle before its first observation. A model falls asleep when its idle timer
 * has expired, so it has been idle for that long already.
 */
export function idleSince({
  lifecycle,
  activity,
  firstSeenAt,
  sleepIdleSeconds = 0,
}: ModelState): number | undefined {
  const since = lifecycle.since ?? firstSeenAt;
  switch (lifecycle.status) {
    case 'sleeping':
      return since - sleepIdleSeconds * 1000;
    case 'loaded':
      if (activity === undefined || activity.busy) return undefined;
      return Math.max(since, activity.lastAt ?? activity.watchedAt);
    default:
      return undefined;
  }
}
