import type { ErrorRequestHandler } from 'express';
import type { ActivityLog } from '../activity/activity-log.ts';
import type { RefusalReason } from '../unload/report.ts';
import type { Locals } from './auth/permit.ts';
import { problemOf } from './problem.ts';

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
      const address = socket.remoteAddress;
      const caller =
        permit?.caller ?? (address === undefined ? { name: 'unknown' } : { name: 'unknown', address });
      refused(reason, caller, `${method} ${originalUrl.split('?')[0]}`, detail);
    }
    next(error);
  };
}
