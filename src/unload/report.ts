import type { Caller, Trigger, WhenBusy } from './request.ts';

/** What became of one model. */
export const RESULTS = [
  'unloaded',
  'already_unloaded',
  'would_unload',
  'kept',
  'busy',
  'forced',
  'timeout',
  'failed',
  'asked',
] as const;

/** `asked`: the router accepted, and nobody waited to see it gone. */
export type Result = (typeof RESULTS)[number];

export interface ModelResult {
  model: string;
  result: Result;
  /** From the request to the verified end. */
  seconds?: number;
  /** For a person: why it was kept, what went wrong. */
  detail?: string;
}

/** A model whose result is not known yet. */
export interface PendingModel {
  model: string;
  result: null;
  /** What is being waited for. */
  detail?: string;
}

/** Why an automatic unload is not done now, or a request not taken. */
export const REFUSAL_REASONS = [
  'cooldown',
  'reload_loop',
  'in_progress',
  'unauthorized',
  'not_matched',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface Refusal {
  reason: Extract<RefusalReason, 'cooldown' | 'reload_loop' | 'in_progress'>;
  detail: string;
  retry_after_seconds?: number;
}

/** Of the GPU memory that the router's models can use. */
export interface MemoryChange {
  before_bytes: number;
  after_bytes: number;
  freed_bytes: number;
}

export interface RouterResult {
  router: string;
  models: (ModelResult | PendingModel)[];
  /** Where its memory is measured. */
  memory?: MemoryChange;
  /** Why nothing could be done on this router at all. */
  fault?: { kind: string; message: string };
  refused?: Refusal;
}

export const OUTCOMES = ['success', 'partial', 'failed', 'noop', 'refused', 'dry_run'] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** An unload operation, as the API, the audit and `--output json` show it. */
export interface Operation {
  id: string;
  trigger: Trigger;
  caller: Caller;
  reason: string;
  when_busy: WhenBusy;
  /** Null while it is under way. */
  outcome: Outcome | null;
  dry_run: boolean;
  /** ISO 8601. */
  started_at: string;
  /** So far, while it is under way. */
  duration_seconds: number;
  routers: RouterResult[];
  summary: Summary;
}

export interface Summary {
  unloaded: number;
  already_unloaded: number;
  kept: number;
  busy: number;
  failed: number;
}

export function summarize(routers: readonly RouterResult[]): Summary {
  const results = routers.flatMap(({ models }) => models.map(({ result }) => result));
  const count = (...wanted: Result[]) =>
    results.filter((result) => result !== null && wanted.includes(result)).length;
  return {
    unloaded: count('unloaded', 'forced', 'asked'),
    already_unloaded: count('already_unloaded'),
    kept: count('kept'),
    busy: count('busy'),
    failed: count('failed', 'timeout'),
  };
}

/**
 * What a finished operation came to. A router that could not be asked counts as a failure, like a model that
 * would not go; one that was refused makes a success partial.
 */
export function outcomeOf(routers: readonly RouterResult[], dryRun: boolean): Outcome {
  if (dryRun) return 'dry_run';
  const { unloaded, busy, failed } = summarize(routers);
  const missed = busy + failed + routers.filter(({ fault }) => fault).length;
  const refused = routers.some((router) => router.refused);
  if (missed > 0) return unloaded > 0 ? 'partial' : 'failed';
  if (refused) return unloaded > 0 ? 'partial' : 'refused';
  return unloaded > 0 ? 'success' : 'noop';
}
