import { createAuditFile } from './audit/audit-file.ts';
import { type Entry, entryOfOperation } from './audit/entry.ts';
import type { HoldNews, Holds } from './hold/holds.ts';
import type { Clock } from './lib/clock.ts';
import type { Logger } from './lib/logger.ts';
import type { Deeds } from './metrics/deeds.ts';
import { logHolds, logOperation } from './news.ts';
import type { Operations, Started } from './unload/operations.ts';
import type { RefusalReason } from './unload/report.ts';
import type { Caller, UnloadRequest } from './unload/request.ts';

/** Every deed and refusal, counted, logged and written to the audit: here and nowhere else. */
export interface Bookkeeping {
  /** Somebody asked for what was under way already. */
  joined(started: Started, request: UnloadRequest): void;
  /** Something was not done at all: `request` is `POST /api/v1/unload` or the like. */
  refused(reason: RefusalReason, caller: Caller, request: string, detail: string): void;
  reloaded(caller: Caller, detail: string): void;
  auditSucceeded(): boolean | undefined;
  /** Resolves when everything is written. */
  stop(): Promise<void>;
}

export function startBookkeeping(
  file: string,
  { operations, holds, deeds }: { operations: Operations; holds: Holds; deeds: Deeds },
  clock: Clock,
  log: Logger,
): Bookkeeping {
  const failed = (why: string) => log.error('the audit is not written', { error: why });
  const audit = file === '' ? undefined : createAuditFile(file, failed);
  const time = () => new Date(clock.now()).toISOString();
  const write = (entry: Entry) => audit?.append(entry);
  const tell = logOperation(log);

  operations.onEnd((operation, request) => {
    deeds.operation(operation, request);
    tell(operation);
    write(entryOfOperation(operation, request, clock.now()));
  });
  holds.onChange(logHolds(log));
  holds.onChange((news) => write({ time: time(), kind: 'hold', ...heldBy(news) }));

  return {
    joined({ id }, { trigger, caller, reason }) {
      log.info('joined an operation that is under way', { operation: id, trigger, caller: caller.name });
      write({ time: time(), kind: 'joined', operation: id, trigger, caller, reason });
    },
    refused(reason, caller, request, detail) {
      deeds.refusal(reason);
      log.warn('refused', { reason, caller: caller.name, address: caller.address, request, detail });
      write({ time: time(), kind: 'refusal', reason, caller, request, detail });
    },
    reloaded: (caller, detail) => write({ time: time(), kind: 'reload', caller, detail }),
    auditSucceeded: () => audit?.succeeded(),
    stop: async () => audit?.stop(),
  };
}

function heldBy(news: HoldNews): { caller: Caller; detail: string } {
  const { hold, kind } = news;
  const name = kind === 'released' ? news.by : hold.by;
  const until = new Date(hold.until).toISOString();
  return {
    caller: { name },
    detail: `${kind} on ${hold.router} until ${until}${hold.reason && `: ${hold.reason}`}`,
  };
}
