import type { Fault, FaultKind, ModelFacts, RouterProps } from './feed.ts';
import type { Change, Lifecycle } from './lifecycle-state.ts';

/** What we believe of one model of a router. */
export interface ModelState {
  id: string;
  aliases: readonly string[];
  lifecycle: Lifecycle;
  facts: ModelFacts;
  /** When we first saw it; milliseconds since the epoch. */
  firstSeenAt: number;
  /** How long its last load took, as far as it was seen from beginning to end. */
  loadSeconds?: number;
  download?: { doneBytes: number; totalBytes: number };
  /** Absent when nobody knows: not read yet, or the router runs without `--metrics`. */
  activity?: Activity;
}

/** What a model's own metrics say of its work. */
export interface Activity {
  /** It is serving, or has requests waiting. */
  busy: boolean;
  /** When this process was first asked. */
  watchedAt: number;
  /** When its counters last moved, as far as it was seen; milliseconds since the epoch. */
  lastAt?: number;
  /** The sum of its counters of work, of one process: it tells that they moved. */
  work: number;
}

/** Whether a router's models have metrics of their own (`--metrics`). */
export const ENGINE_METRICS_STATES = ['unknown', 'enabled', 'disabled'] as const;

export type EngineMetricsState = (typeof ENGINE_METRICS_STATES)[number];

/** How a router's events reach us: `unsupported` routers are polled. */
export const STREAM_STATES = ['connecting', 'connected', 'unsupported'] as const;

export type StreamState = (typeof STREAM_STATES)[number];

/** What we believe of one router. */
export interface RouterState {
  name: string;
  url: string;
  /** The last listing succeeded; undefined before the first. */
  up: boolean | undefined;
  fault?: Fault;
  /** When the last listing arrived, in milliseconds since the epoch. */
  listedAt?: number;
  /** What was wrong with the entries of the last listing that were left out. */
  malformed: readonly string[];
  stream: StreamState;
  engineMetrics: EngineMetricsState;
  props: RouterProps;
  /** By id, in the router's order. Kept while the router is down: then it is what we last knew. */
  models: ReadonlyMap<string, ModelState>;
}

/** Something that happened, as the world sees it: counters, the event stream and the log live on these. */
export type Transition = { router: string; at: number } & (
  | { kind: 'model'; model: string; change: Change }
  | { kind: 'router'; change: 'added' | 'removed' | 'up' }
  | { kind: 'router'; change: 'down'; fault: Fault }
  | { kind: 'malformed'; entries: readonly string[] }
  | { kind: 'stream'; state: StreamState }
);

/** What the tracker did and saw: for the exporter's metrics about itself. */
export type Notice = { router: string; at: number } & (
  | { kind: 'event'; event: string }
  | { kind: 'polled'; seconds: number; fault?: FaultKind }
  | { kind: 'reconnecting' }
);
