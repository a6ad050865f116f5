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

export interface RouterResult {
  router: string;
  models: ModelResult[];
  /** Why nothing could be done on this router at all. */
  fault?: { kind: string; message: string };
}

export type Outcome = 'success' | 'partial' | 'failed' | 'noop' | 'refused' | 'dry_run';

/** An unload operation, as the API, the audit and `--output json` show it. */
export interface Operation {
  id: string;
  trigger: 'alertmanager' | 'api' | 'cli' | 'page' | 'policy';
  reason: string;
  outcome: Outcome;
  dry_run: boolean;
  /** ISO 8601. */
  started_at: string;
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
  const count = (...wanted: Result[]) => results.filter((result) => wanted.includes(result)).length;
  return {
    unloaded: count('unloaded', 'forced', 'asked'),
    already_unloaded: count('already_unloaded'),
    kept: count('kept'),
    busy: count('busy'),
    failed: count('failed', 'timeout'),
  };
}

/** A router that could not be asked counts as a failure, like a model that would not go. */
export function outcomeOf(routers: readonly RouterResult[], dryRun: boolean): Outcome {
  if (dryRun) return 'dry_run';
  const { unloaded, busy, failed } = summarize(routers);
  const missed = busy + failed + routers.filter(({ fault }) => fault).length;
  if (missed > 0) return unloaded > 0 ? 'partial' : 'failed';
  return unloaded > 0 ? 'success' : 'noop';
}
