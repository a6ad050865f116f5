import type { HoldChange, Holds } from '../hold/holds.ts';
import { callerBlock } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimiter } from '../lib/limiter.ts';
import type { Logger } from '../lib/logger.ts';
import type { Operations, Started } from '../unload/operations.ts';
import type { RefusalReason } from '../unload/report.ts';
import type { Caller, UnloadRequest } from '../unload/request.ts';
import { type Entry, entryOfOperation } from './audit-entry.ts';
import { createAuditFile } from './audit-file.ts';
import { logHolds, logOperation } from './log-lines.ts';
import type { OperationMetrics } from './operation-metrics.ts';

/** A request without valid credentials or without permission. */
export interface AuthRefusal {
  readonly reason: 'unauthorized';
  readonly address: string | undefined;
  readonly method: string;
  /** Without the query, which may hold a credential. */
  readonly path: string;
  readonly why: string;
}

/** Every deed and refusal, counted, logged and written to the audit: here and nowhere else. */
export interface ActivityLog {
  /** Somebody asked for what was under way already. */
  joined(started: Started, request: UnloadRequest): void;
  /** Something was not done at all: `request` is `POST /api/v1/unload` or the like. */
  refused(reason: RefusalReason, caller: Caller, request: string, detail: string): void;
  /** Somebody was not let in. All are counted; of one caller only some a minute are written down. */
  unauthorized(refusal: AuthRefusal): void;
  reloaded(caller: Caller, detail: string): void;
  auditSucceeded(): boolean | undefined;
  /** Resolves when everything is written. */
  stop(): Promise<void>;
}

/** Refusals of one caller that are written down each minute: somebody could fill the disk with them. */
const WRITTEN = { most: 10, spanMs: 60_000, keys: 10_000 };

export function startActivityLog(
  file: string,
  {
    operations,
    holds,
    operationMetrics,
  }: { operations: Operations; holds: Holds; operationMetrics: OperationMetrics },
  clock: Clock,
  log: Logger,
): ActivityLog {
  const failed = (why: string) => log.error('the audit is not written', { error: why });
  const audit = file === '' ? undefined : createAuditFile(file, failed);
  const time = () => new Date(clock.wall()).toISOString();
  const write = (entry: Entry) => audit?.append(entry);
  const tell = logOperation(log);

  operations.onEnd((operation, request) => {
    operationMetrics.operation(operation, request);
    tell(operation);
    write(entryOfOperation(operation, request, clock.wall()));
  });
  holds.onChange(logHolds(log, clock));
  holds.onChange((news) => write({ time: time(), kind: 'hold', ...heldBy(news, clock) }));

  const written = createLimiter({ ...WRITTEN, now: clock.now });
  const refused: ActivityLog['refused'] = (reason, caller, request, detail) => {
    operationMetrics.refusal(reason);
    const block = `${reason} ${callerBlock(caller.address)}`;
    if (written.waitMs(block) > 0) return;
    written.count(block);
    log.warn('refused', { reason, caller: caller.name, address: caller.address, request, detail });
    write({ time: time(), kind: 'refusal', reason, caller, request, detail });
  };

  return {
    joined({ id }, { trigger, caller, reason }) {
      log.info('joined an operation that is under way', { operation: id, trigger, caller: caller.name });
      write({ time: time(), kind: 'joined', operation: id, trigger, caller, reason });
    },
    refused,
    unauthorized: ({ reason, address, method, path, why }) =>
      refused(
        reason,
        { name: 'unknown', ...(address !== undefined && { address }) },
        `${method} ${path}`,
        why,
      ),
    reloaded: (caller, detail) => write({ time: time(), kind: 'reload', caller, detail }),
    auditSucceeded: () => audit?.succeeded(),
    stop: async () => audit?.stop(),
  };
}

function heldBy(news: HoldChange, clock: Clock): { caller: Caller; detail: string } {
  const { hold, kind } = news;
  const name = kind === 'released' ? news.by : hold.by;
  const until = new Date(clock.wall(hold.until)).toISOString();
  return {
    caller: { name },
    detail: `${kind} on ${hold.router} until ${until}${hold.reason && `: ${hold.reason}`}`,
  };
}
