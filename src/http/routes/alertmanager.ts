import type { Request, Response } from 'express';
import { z } from 'zod';
import { answerTo } from '../../alerts/answer.ts';
import { parseNotification } from '../../alerts/payload.ts';
import { type AlertDecision, decideOn } from '../../alerts/policy.ts';
import type { AlertRules } from '../../alerts/rules.ts';
import { OUTCOMES, operation } from '../../unload/report.ts';
import type { UnloadRequest } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { ProblemError } from '../problem.ts';
import type { UnloadParts } from './unload.ts';

/** The body of an answer, as far as it is no problem. */
export const alertReport = z
  .object({
    outcome: z
      .enum(OUTCOMES)
      .nullable()
      .meta({ description: 'Of all together; null while any is under way.' }),
    reason: z.string().exactOptional().meta({ description: 'Why nothing was done.' }),
    detail: z.string().exactOptional().meta({ description: 'Which alerts are not acted on, and why.' }),
    operations: z.array(operation),
  })
  .meta({ id: 'AlertReport' });

export interface AlertParts extends UnloadParts {
  alertRules(): AlertRules;
  /** Told of every notification that set nothing off although an alert fires, and why. */
  ignored(caller: UnloadRequest['caller'], why: string): void;
  /** Aborts when the service shuts down. */
  closing: AbortSignal;
}

/** Alertmanager gives up after ten seconds, and sends what it gave up again for ever. */
const ANSWER_WITHIN_MS = 2500;

/**
 * `POST /api/v1/alertmanager`: what a notification sets off, answered in time, whether it is done or not. A caller
 * who may only ask what would happen is told that.
 */
export function alertmanagerRoute(parts: AlertParts) {
  const { store, operations, terms, joined, within, alertRules, ignored, closing } = parts;
  return async (request: Request, response: Response) => {
    if (closing.aborted) throw new ProblemError({ status: 503, title: 'Shutting down' });
    const parsed = parseNotification(request.body);
    if (!parsed.ok) {
      throw new ProblemError({ status: 400, title: 'Not a notification', detail: parsed.fault });
    }
    const { caller, dryRunOnly } = permitOf(response);
    const names = store.routers().map(({ name }) => name);
    const decision = decideOn(parsed.value, alertRules(), names);
    if (decision.kind === 'ignore' && decision.reason !== 'resolved') ignored(caller, inWords(decision));
    const asked = decision.kind === 'unload' ? decision.requests : [];
    const { answerWithinMs, ...silent } = terms();
    const requests = asked.map(({ fingerprints: _, ...wish }): UnloadRequest => {
      demandScope(response, { routers: wish.routers, dryRun: dryRunOnly });
      return { ...silent, ...wish, trigger: 'alertmanager', caller, dryRun: dryRunOnly };
    });
    const started = requests.map((wish) => {
      const each = operations.start(wish);
      if (each.joined) joined(each, wish);
      return each;
    });
    const done = Promise.all(started.map((each) => each.done));
    await within(Math.min(ANSWER_WITHIN_MS, answerWithinMs), done);
    const answer = answerTo(
      decision,
      started.map(({ report }) => report()),
      closing.aborted,
    );
    response.status(answer.status).type(answer.contentType).send(JSON.stringify(answer.body));
  };
}

function inWords({ reason, details }: Extract<AlertDecision, { kind: 'ignore' }>): string {
  return `${reason}: ${details.join('; ')}`;
}
