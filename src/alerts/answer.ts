import type { Outcome } from '../unload/report.ts';
import type { AlertDecision } from './policy.ts';

/** What is known of an operation when the answer is due. */
export interface OperationSummary {
  readonly id: string;
  /** So far, while it is not finished. */
  readonly outcome: Outcome;
  readonly finished: boolean;
  /** A router could not be reached. */
  readonly routerFaults: boolean;
  /** A router refused an unload, for another reason than that the model was not running. */
  readonly failed: boolean;
  /** Why nothing was tried, such as `cooldown`: asking again at once would change nothing. */
  readonly refused?: string;
}

/** What Alertmanager is told. Never a redirect, which it takes for success, nor 429, which it does not understand. */
export interface AlertAnswer {
  /** 200: settled. 202: models are still stopping. 503: to be sent again, within half a minute several times. */
  readonly status: 200 | 202 | 503;
  readonly contentType: 'application/json' | 'application/problem+json';
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * The answer to a notification: what came of the operations it set off, in their order; of none, when it was ignored.
 * Alertmanager sends again at once only what 5xx answers, so that is for what another try may mend.
 */
export function answerTo(decision: AlertDecision, operations: readonly OperationSummary[]): AlertAnswer {
  if (decision.kind === 'ignore') {
    const { reason } = decision;
    const outcome: Outcome = reason === 'resolved' ? 'noop' : 'refused';
    return settled(200, { outcome, reason, finished: true, ...detailOf(decision.details), operations: [] });
  }
  const refusal = operations.find(({ refused }) => refused !== undefined)?.refused;
  const outcome = outcomeOfAll(operations.map((operation) => operation.outcome));
  const finished = operations.every((operation) => operation.finished);
  const body = {
    outcome,
    ...(outcome === 'refused' && refusal !== undefined && { reason: refusal }),
    finished,
    ...detailOf(decision.details),
    operations: operations.map(operationBody),
  };
  const fault = whatFailed(operations);
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

function operationBody({ id, outcome, finished, refused }: OperationSummary) {
  return { id, outcome, finished, ...(refused !== undefined && { reason: refused }) };
}

/** For Alertmanager's log, which is where it appears. */
function whatFailed(operations: readonly OperationSummary[]): string | undefined {
  const tried = operations.filter(({ refused }) => refused === undefined);
  const idsOf = (those: readonly OperationSummary[]) => those.map(({ id }) => id).join(', ');
  const unreached = tried.filter(({ routerFaults }) => routerFaults);
  const failed = tried.filter(({ failed }) => failed);
  const parts = [
    ...(unreached.length > 0 ? [`a router could not be reached (operation ${idsOf(unreached)})`] : []),
    ...(failed.length > 0 ? [`a router refused to unload a model (operation ${idsOf(failed)})`] : []),
  ];
  return parts.length > 0 ? `${parts.join('; ')}: see /api/v1/operations` : undefined;
}

/** One word for several operations: partial as soon as one fell short and one did something. */
function outcomeOfAll(outcomes: readonly Outcome[]): Outcome {
  const has = (...wanted: Outcome[]) => outcomes.some((outcome) => wanted.includes(outcome));
  if (has('failed', 'partial')) return has('success', 'partial') ? 'partial' : 'failed';
  if (has('success')) return 'success';
  if (has('dry_run')) return 'dry_run';
  return has('refused') ? 'refused' : 'noop';
}
