import type { Operation, Outcome } from '../unload/report.ts';
import type { AlertDecision } from './policy.ts';

/**
 * The answer to a notification, with the operations it started: 200 when they are done, 202 while models are still
 * stopping, 503 for what a retry may fix, as Alertmanager repeats only those, within half a minute. `closing`: the
 * service shuts down, and the next process may finish the unload.
 */
export function answerTo(decision: AlertDecision, operations: readonly Operation[], closing = false) {
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
  const problem = { type: 'about:blank', title: 'Unload incomplete', status: 503, ...body };
  return { status: 503, contentType: 'application/problem+json', body: problem };
}

/** What a retry may fix, for Alertmanager's log. */
function failuresOf(operations: readonly Operation[], closing: boolean): string[] {
  const failureOf = (what: string, isAffected: (operation: Operation) => boolean) => {
    const ids = operations.filter(isAffected).map(({ id }) => id);
    return ids.length > 0 ? [`${what}: see operation ${ids.join(', ')}`] : [];
  };
  return [
    ...failureOf(
      'the exporter is shutting down',
      ({ outcome }) => closing && (outcome === null || outcome === 'failed' || outcome === 'partial'),
    ),
    ...failureOf('a router could not be used', ({ routers }) => routers.some(({ fault }) => fault)),
    ...failureOf('a router did not unload a model', ({ routers }) =>
      routers.some(({ models }) => models.some(({ result }) => result === 'failed')),
    ),
  ];
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
