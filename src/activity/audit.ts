import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, within } from '../lib/clock.ts';
import { codeOf, fileRemedy } from '../lib/error-code.ts';
import type { Logger } from '../lib/logger.ts';
import type { OperationEvent } from '../unload/registry.ts';
import { type Caller, isUnload, type LoadRequest, type UnloadRequest } from '../unload/request.ts';

/** A line of the audit file. Times are ISO 8601. */
export type AuditEntry = { time: string } & (
  | ReturnType<typeof startedEntry>
  | ReturnType<typeof operationEntry>
  /** The request was already covered by a running operation. */
  | { kind: 'joined'; operation: string; trigger: string; caller: Caller; reason: string }
  | { kind: 'refusal'; reason: string; caller: Caller; request: string; detail: string }
  | { kind: 'hold' | 'reload'; caller: Caller; detail: string }
);

/** Entries that wait for a slow disk. */
const MAX_QUEUED = 1000;

/** A stalled disk must not keep the process from exiting. */
const STOP_TIMEOUT_MS = 2000;

/**
 * An append-only file of JSON lines. `write` appends lines to it. Failures are logged once, until a write succeeds
 * again.
 */
export function createAuditFile(path: string, clock: Clock, log: Logger, write = appendTo(path)) {
  const queue: string[] = [];
  let writing: Promise<void> | undefined;
  let succeeded: boolean | undefined;
  let lost = 0;

  return {
    /** Never throws. Entries are written in order; those that exceed the queue are dropped. */
    append(entry: AuditEntry): void {
      if (queue.length >= MAX_QUEUED) {
        return fail(1, `${path} has not accepted a write while ${MAX_QUEUED} entries queued: check its disk`);
      }
      queue.push(`${JSON.stringify(entry)}\n`);
      writing ??= writeQueued().finally(() => {
        writing = undefined;
      });
    },
    /** Whether the last entry was written; undefined before the first. */
    succeeded: () => succeeded,
    /** Resolves when the queue is written or two seconds have passed. */
    stop: () => within(STOP_TIMEOUT_MS, writing ?? Promise.resolve(), clock),
  };

  async function writeQueued(): Promise<void> {
    while (queue.length > 0) {
      const lines = queue.splice(0);
      await write(lines.join('')).then(recover, (error: unknown) => {
        const code = codeOf(error);
        fail(lines.length, `cannot write ${path} (${code}): ${fileRemedy(code)}`);
      });
    }
  }

  function fail(entries: number, error: string): void {
    if (lost === 0) log.error('audit entries lost', { error });
    lost += entries;
    succeeded = false;
  }

  function recover(): void {
    if (lost > 0) log.warn('audit file is written again', { file: path, lost });
    lost = 0;
    succeeded = true;
  }
}

/**
 * Opens the file for each write, so that log rotation by renaming needs no signal. After a disk was full in the middle of a
 * line, the next one begins on its own.
 */
function appendTo(path: string) {
  let isCut = false;
  return async (lines: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'a', 0o640);
    const bytes = Buffer.from(isCut ? `\n${lines}` : lines);
    let at = 0;
    try {
      while (at < bytes.length) at += (await file.write(bytes, at)).bytesWritten;
      isCut = false;
    } finally {
      isCut ||= at > 0 && at < bytes.length;
      await file.close();
    }
  };
}

/** An operation that starts. Its end is another entry, which is missing if the exporter was killed meanwhile. */
export function startedEntry({ operation, request: asked }: OperationEvent, time: string) {
  const { id, action, trigger, caller, reason } = operation;
  const request = isUnload(asked) ? auditedUnload(asked) : auditedLoad(asked);
  return { time, kind: 'started' as const, operation: id, action, trigger, caller, reason, request };
}

/** A finished operation. */
export function operationEntry(event: OperationEvent, time: string) {
  const { outcome, dry_run, duration_seconds, routers, still_in_memory, unmatched_keep } = event.operation;
  const head = { ...startedEntry(event, time), kind: 'operation' as const };
  return { ...head, outcome, dry_run, duration_seconds, routers, still_in_memory, unmatched_keep };
}

/** The request in the fields of the API, as the next one. */
function auditedLoad({ routers, models, timeoutMs, hold }: LoadRequest) {
  return { routers, models, timeout_seconds: timeoutMs / 1000, hold };
}

function auditedUnload({ routers, selection, whenBusy, holdMs }: UnloadRequest) {
  const { models, keep, idleForMs, gpus, target } = selection;
  return {
    routers,
    models,
    keep,
    when_busy: whenBusy,
    gpus,
    idle_for_seconds: idleForMs === undefined ? undefined : idleForMs / 1000,
    free_bytes: target && 'freeBytes' in target ? target.freeBytes : undefined,
    until_ratio: target && 'untilRatio' in target ? target.untilRatio : undefined,
    hold_seconds: holdMs === undefined ? undefined : holdMs / 1000,
  };
}
