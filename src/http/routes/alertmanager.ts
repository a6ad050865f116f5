import type { ErrorRequestHandler, Request, Response } from 'express';
import * as z from 'zod';
import type { ActivityLog } from '../../activity/activity-log.ts';
import { answerTo } from '../../alerts/answer.ts';
import { parseNotification } from '../../alerts/payload.ts';
import { decideOn } from '../../alerts/policy.ts';
import { within } from '../../lib/clock.ts';
import { OUTCOMES, operation, type RefusalReason } from '../../unload/report.ts';
import { callerAt, defaultTerms } from '../../unload/request.ts';
import { demandScope, type Locals, permitOf } from '../auth/permit.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError, problemOf } from '../problem.ts';
import { startOrJoin } from './unload.ts';

/** The body of an answer that is not a problem. */
export const alertReport = z
  .object({
    outcome: z
      .enum(OUTCOMES)
      .nullable()
      .meta({ description: 'Of all operations together; null while one of them is running.' }),
    reason: z.string().exactOptional().meta({ description: 'Why nothing was unloaded.' }),
    detail: z.string().exactOptional().meta({ description: 'Which alerts had no effect, and why.' }),
    operations: z.array(operation),
  })
  .meta({ id: 'AlertReport' });

/** Alertmanager gives up after ten seconds and then sends the notification again; Grafana after thirty. */
const ANSWER_WITHIN_MS = 2500;

/**
 * The webhook for Alertmanager and Grafana: starts what a notification asks for and answers in time. For a caller with dry runs
 * only, the answer says what would be unloaded.
 */
export function alertmanagerRoute(parts: AppParts) {
  const { store, activeConfig, activityLog, closing, clock } = parts;
  return async (request: Request, response: Response) => {
    if (closing.aborted) throw new ProblemError(503, 'Shutting down');
    const parsed = parseNotification(request.body);
    if (!parsed.ok) throw new ProblemError(400, 'Not a notification', parsed.fault);
    const config = activeConfig.current();
    const { caller, dryRunOnly } = permitOf(response);
    const names = store.routers().map(({ name }) => name);
    const decision = decideOn(parsed.value, config.alerts, names);
    if (decision.ignored !== undefined && decision.ignored !== 'resolved') {
      const why = `${decision.ignored}: ${decision.details.join('; ')}`;
      activityLog.refused('not_matched', caller, `${request.method} ${request.path}`, why);
    }
    const { unloads } = decision;
    for (const { routers } of unloads) demandScope(response, { routers, dryRun: dryRunOnly });
    const started = unloads.map((unload) =>
      startOrJoin(parts, {
        ...defaultTerms(config),
        ...unload,
        trigger: 'alertmanager',
        caller,
        dryRun: dryRunOnly,
      }),
    );
    const done = Promise.all(started.map((each) => each.done));
    await within(Math.min(ANSWER_WITHIN_MS, config.unload.answer_within * 1000), done, clock);
    const reports = started.map(({ report }) => report());
    const answer = answerTo(decision, reports, closing.aborted);
    response.status(answer.status).type(answer.contentType).send(JSON.stringify(answer.body));
  };
}

/** By status; what access control refuses, it reports itself. */
const REASONS: Partial<Record<number, RefusalReason>> = {
  400: 'malformed',
  405: 'method',
  413: 'too_large',
  415: 'media_type',
};

/** Makes Express' error handler that logs and counts refused notifications: their senders show no answer. */
export function reportRefusals({ refused }: Pick<ActivityLog, 'refused'>): ErrorRequestHandler {
  return (error, { method, originalUrl, socket }, response, next) => {
    const { status, title, detail = title } = problemOf(error);
    const reason = REASONS[status];
    const { permit } = response.locals as Partial<Locals>;
    if (reason !== undefined && (permit !== undefined || reason === 'method')) {
      const caller = permit?.caller ?? callerAt('unknown', socket.remoteAddress);
      refused(reason, caller, `${method} ${originalUrl.split('?')[0]}`, detail);
    }
    next(error);
  };
}
