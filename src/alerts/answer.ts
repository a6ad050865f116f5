import type { Operation, Outcome } from '../unload/report.ts';
import type { AlertDecision } from './policy.ts';

/** The answer to Alertmanager, which takes a redirect for success and never repeats what was answered by 429. */
export interface AlertAnswer {
  /** 200: done. 202: models are still stopping. 503: Alertmanager retries within half a minute. */
  readonly status: 200 | 202 | 503;
  readonly contentType: 'application/json' | 'application/problem+json';
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * The answer to a notification, with the operations it started. 503 is for what a retry may fix; `closing`: the
 * service shuts down, and the next process may finish the unload.
 */
export function answerTo(
  decision: AlertDecision,
  operations: readonly Operation[],
  closing = false,
): AlertAnswer {
  const failures = failuresOf(operations, closing);
  const details = [...failures, ...decision.details];
  const outcome = overallOutcome(decision, operations);
  const refusal = operations.flatMap(({ routers }) => routers).find(({ refused }) => refused)?.refused;
  const body = {
    outcome,
    reason: decision.ignored ?? (outcome === 'refused' ? refusal?.reason : undefined),
    detail: details.length > 0 ? details.join('; ') : undefined,
    operations,
  };
  if (failures.length === 0) {
    return { status: outcome === null ? 202 : 200, contentType: 'application/json', body };
  }
  return {
    status: 503,
    contentType: 'application/problem+json',
    body: { type: 'about:blank', title: 'Unload incomplete', status: 503, ...body },
  };
}

/** What a retry may fix, for Alertmanager's log. */
function failuresOf(operations: readonly Operation[], closing: boolean): string[] {
  const unfinished = operations.filter(
    ({ outcome }) => outcome === null || outcome === 'failed' || outcome === 'partial',
  );
  const faulty = operations.filter(({ routers }) => routers.some(({ fault }) => fault));
  const failed = operations.filter(({ routers }) =>
    routers.some(({ models }) => models.some(({ result }) => result === 'failed')),
  );
  const failures: [string, Operation[]][] = [
    ['the exporter is shutting down', closing ? unfinished : []],
    ['a router could not be used', faulty],
    ['a router did not unload a model', failed],
  ];
  return failures
    .filter(([, affected]) => affected.length > 0)
    .map(([what, affected]) => `${what}: see operation ${affected.map(({ id }) => id).join(', ')}`);
}

/** One outcome for all operations; null while any is running. */
function overallOutcome({ ignored }: AlertDecision, operations: readonly Operation[]): Outcome | null {
  if (ignored !== undefined) return ignored === 'resolved' ? 'noop' : 'refused';
  const outcomes = operations.map(({ outcome }) => outcome);
  const has = (...wanted: (Outcome | null)[]) => outcomes.some((outcome) => wanted.includes(outcome));
  if (has(null)) return null;
  if (has('failed', 'partial')) return has('success', 'partial') ? 'partial' : 'failed';
  return (['success', 'dry_run', 'refused'] as const).find((outcome) => has(outcome)) ?? 'noop';
}
