import type { ReadingChange } from '../engine/reader.ts';
import type { DiscoveryChange } from '../fleet/discovery/discovery.ts';
import type { HoldChange } from '../hold/holds.ts';
import { callerBlock } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimiter } from '../lib/limiter.ts';
import type { Logger } from '../lib/logger.ts';
import type { SeriesLimitChange } from '../metrics/series-limit.ts';
import type { Transition } from '../models/router-state.ts';
import type { Loop } from '../unload/guards.ts';
import type { Started } from '../unload/operation.ts';
import type { OperationEvent } from '../unload/registry.ts';
import type { RefusalReason } from '../unload/report.ts';
import { type Caller, isUnload, type UnloadRequest } from '../unload/request.ts';
import { createAuditFile, operationEntry, startedEntry } from './audit.ts';
import {
  logDiscovery,
  logHold,
  logLoop,
  logOperation,
  logReading,
  logSeriesLimit,
  logTransition,
} from './log-lines.ts';
import type { OperationMetrics } from './operation-metrics.ts';

/** Refusals per reason and caller that are written each minute, so that a client cannot fill the disk; all are counted. */
const REFUSALS_WRITTEN = { most: 10, spanMs: 60_000, keys: 10_000 };

export type ActivityLog = ReturnType<typeof createActivityLog>;

/**
 * Log lines, audit entries and operation metrics of what happens: one method per source. An empty `auditFile` means no
 * audit.
 */
export function createActivityLog(auditFile: string, metrics: OperationMetrics, clock: Clock, log: Logger) {
  const audit = auditFile === '' ? undefined : createAuditFile(auditFile, clock, log);
  const refusalsWritten = createLimiter({ ...REFUSALS_WRITTEN, now: clock.now });
  const time = () => new Date(clock.wall()).toISOString();

  /** A request that was not carried out; `request` is `POST /api/v1/unload` or similar. */
  function refused(reason: RefusalReason, caller: Caller, request: string, detail: string): void {
    metrics.refusal(reason);
    const key = `${reason} ${callerBlock(caller.address)}`;
    if (refusalsWritten.waitMs(key) > 0) return;
    refusalsWritten.count(key);
    log.warn('request refused', { reason, caller: caller.name, address: caller.address, request, detail });
    audit?.append({ time: time(), kind: 'refusal', reason, caller, request, detail });
  }

  return {
    transition(transition: Transition): void {
      metrics.transition(transition);
      logTransition(log, transition);
    },
    discovery: (change: DiscoveryChange): void => logDiscovery(log, change),
    reading: (change: ReadingChange): void => logReading(log, change),
    hold(change: HoldChange): void {
      logHold(log, change, clock);
      const { kind, hold } = change;
      if (kind === 'active' || kind === 'failed') {
        metrics.holdPrepared(kind, (clock.now() - hold.since) / 1000);
      }
      // A heartbeat would fill the file.
      if (change.kind === 'renewed') return;
      audit?.append({ time: time(), kind: 'hold', ...holdDetail(change, clock) });
    },
    loop: (loop: Loop): void => logLoop(log, loop, clock),
    /** Of the scrape on this path. */
    seriesLimit: (path: string, change: SeriesLimitChange): void => logSeriesLimit(log, path, change),
    /** An operation that is about to act: should the exporter be killed meanwhile, the audit file has it. */
    started: (event: OperationEvent): void => audit?.append(startedEntry(event, time())),
    /** A finished operation. */
    ended(event: OperationEvent): void {
      const { operation, request } = event;
      if (isUnload(request)) metrics.unload(operation, request);
      else metrics.load(operation);
      logOperation(log, operation);
      audit?.append(operationEntry(event, time()));
    },
    /** A request that was already covered by a running operation. */
    joined({ id }: Started, { trigger, caller, reason }: UnloadRequest): void {
      log.info('request joined a running operation', { operation: id, trigger, caller: caller.name });
      audit?.append({ time: time(), kind: 'joined', operation: id, trigger, caller, reason });
    },
    refused,
    /** A configuration reload on request; `error` when it failed. */
    reloaded(caller: Caller, error: string | undefined): void {
      audit?.append({ time: time(), kind: 'reload', caller, detail: error ?? 'configuration reloaded' });
    },
    /** Whether the last audit entry was written; undefined before the first, and without a file. */
    auditSucceeded: (): boolean | undefined => audit?.succeeded(),
    /** Resolves when the audit is written, or after two seconds. */
    stop: async (): Promise<void> => audit?.stop(),
  };
}

function holdDetail({ kind, hold, by }: HoldChange, clock: Clock): { caller: Caller; detail: string } {
  const until = new Date(clock.wall(hold.until)).toISOString();
  const reason = hold.reason === '' ? '' : `: ${hold.reason}`;
  return {
    caller: by === undefined ? hold.by : { name: by },
    detail: `${kind} on ${hold.routers.join(', ')} until ${until} for ${hold.holder}${reason}`,
  };
}
