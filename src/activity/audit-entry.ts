import type { Operation } from '../unload/report.ts';
import type { Caller, UnloadRequest } from '../unload/request.ts';

/** Something that was done or refused, as it is remembered for ever. Times are ISO 8601. */
export type Entry =
  | ({ time: string; kind: 'operation'; operation: string; request: AuditedRequest } & Pick<
      Operation,
      'trigger' | 'caller' | 'reason' | 'outcome' | 'dry_run' | 'duration_seconds' | 'routers'
    >)
  /** Asked for what was under way already. */
  | { time: string; kind: 'joined'; operation: string; trigger: string; caller: Caller; reason: string }
  | { time: string; kind: 'refusal'; reason: string; caller: Caller; request: string; detail: string }
  | { time: string; kind: 'hold' | 'reload'; caller: Caller; detail: string };

/** What was asked for, in the API's words. */
interface AuditedRequest {
  routers: readonly string[];
  models: readonly string[];
  keep: readonly string[];
  when_busy: UnloadRequest['whenBusy'];
  idle_for_seconds?: number;
  free_bytes?: number;
  until_ratio?: number;
  hold_seconds?: number;
}

export function entryOfOperation(operation: Operation, request: UnloadRequest, now: number): Entry {
  const { id, trigger, caller, reason, outcome, dry_run, duration_seconds, routers } = operation;
  const { selection, whenBusy, holdMs } = request;
  const { models, keep, idleForMs, target } = selection;
  return {
    time: new Date(now).toISOString(),
    kind: 'operation',
    operation: id,
    ...{ trigger, caller, reason, outcome, dry_run, duration_seconds },
    request: {
      routers: request.routers,
      ...{ models, keep, when_busy: whenBusy },
      ...(idleForMs !== undefined && { idle_for_seconds: idleForMs / 1000 }),
      ...(target && 'freeBytes' in target && { free_bytes: target.freeBytes }),
      ...(target && 'untilRatio' in target && { until_ratio: target.untilRatio }),
      ...(holdMs !== undefined && { hold_seconds: holdMs / 1000 }),
    },
    routers,
  };
}
