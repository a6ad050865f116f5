import type { Operation, Outcome } from '../unload/report.ts';
import type { AlertDecision } from './policy.ts';

/** What Alertmanager is told. Never a redirect, which it takes for success, nor 429, which it does not understand. */
export interface AlertAnswer {
  /** 200: settled. 202: models are still stopping. 503: to be sent again, within half a minute several times. */
  readonly status: 200 | 202 | 503;
  readonly contentType: 'application/json' | 'application/problem+json';
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * The answer to a notification: what came of the operations it set off, in their order; of none, when it was ignored.
 * Alertmanager sends again at once only what 5xx answers, so that is for what another try may mend. `closing`: the
 * service shuts down, and what comes after it may do what is left.
 */
export function answerTo(
  decision: AlertDecision,
  operations: readonly Operation[],
  closing = false,
): AlertAnswer {
  if (decision.kind === 'ignore') {
    const { reason } = decision;
    const outcome: Outcome = reason === 'resolved' ? 'noop' : 'refused';
    return settled(200, { outcome, reason, ...detailOf(decision.details), operations: [] });
  }
  const refusal = operations.flatMap(({ routers }) => routers).find(({ refused }) => refused)?.refused;
  const outcome = outcomeOfAll(operations.map((operation) => operation.outcome));
  const finished = outcome !== null;
  const body = {
    outcome,
    ...(outcome === 'refused' && refusal && { reason: refusal.reason }),
    ...detailOf(decision.details),
    operations,
  };
  const fault = whatFailed(operations, closing);
  if (fault === undefined) return settled(finished ? 200 : 202, body);
  const problem = { type: 'about:blank', title: 'Not all was unloaded', status: 503 };
  return {
    status: 503,
    contentType: 'application/problem+json',
    body: { ...problem, ...body, ...detailOf([fault, ...decision.details]) },
  };
}

function settled(status: 200 | 202, body: AlertAnswer['body']): AlertAnswer {
  return { status, contentType: 'application/json', body };
}

function detailOf(details: readonly string[]) {
  return details.length > 0 ? { detail: details.join('; ') } : {};
}

/** For Alertmanager's log, which is where it appears. */
function whatFailed(operations: readonly Operation[], closing: boolean): string | undefined {
  const idsOf = (those: readonly Operation[]) => those.map(({ id }) => id).join(', ');
  const unreached = operations.filter(({ routers }) => routers.some(({ fault }) => fault));
  const failed = operations.filter(({ routers }) =>
    routers.some(({ models }) => models.some(({ result }) => result === 'failed')),
  );
  const left = closing ? operations.filter(({ outcome }) => isShort(outcome)) : [];
  const parts = [
    ...(left.length > 0 ? [`the exporter is shutting down (operation ${idsOf(left)})`] : []),
    ...(unreached.length > 0 ? [`a router could not be asked (operation ${idsOf(unreached)})`] : []),
    ...(failed.length > 0 ? [`a router did not unload a model (operation ${idsOf(failed)})`] : []),
  ];
  return parts.length > 0 ? `${parts.join('; ')}: see /api/v1/operations` : undefined;
}

function isShort(outcome: Outcome | null): boolean {
  return outcome === null || outcome === 'failed' || outcome === 'partial';
}

/** One word for several operations, when all have ended: partial as soon as one fell short and one did something. */
function outcomeOfAll(outcomes: readonly (Outcome | null)[]): Outcome | null {
  if (outcomes.includes(null)) return null;
  const has = (...wanted: Outcome[]) =>
    outcomes.some((outcome) => outcome !== null && wanted.includes(outcome));
  if (has('failed', 'partial')) return has('success', 'partial') ? 'partial' : 'failed';
  if (has('success')) return 'success';
  if (has('dry_run')) return 'dry_run';
  return has('refused') ? 'refused' : 'noop';
}
