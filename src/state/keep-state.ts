import { type Clock, within } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { failed, type Result } from '../lib/result.ts';
import { createStateFile, type PartFormat } from './state-file.ts';

/** One part of the state file. The folder that owns the data defines it. */
export interface StatePart<Saved = unknown> extends PartFormat<Saved> {
  snapshot(): Saved | Promise<Saved>;
  /** Called once, before the first snapshot, with what an earlier process saved. */
  restore(saved: Saved): void;
}

export interface KeptState {
  /**
   * Resolves when everything up to now is written, or could not be written, which is logged. On a disk that stalls,
   * after ten seconds.
   */
  save(): Promise<void>;
  /** Whether the last save succeeded; undefined before the first, and without a file. */
  succeeded(): boolean | undefined;
  /** Saves for the last time. */
  stop(): Promise<void>;
}

/** A write that takes longer than this is reported as failed. */
const STALLED_MS = 10_000;

/** A stalled disk must not keep the process from exiting. */
const STOP_TIMEOUT_MS = 2000;

/**
 * Restores every part from the state file, then saves all of them at each interval and at the end. Does nothing
 * without a file. Failures stop nothing, and are logged once until a save succeeds again. `interval` in seconds.
 */
export function keepState(
  { file: path, interval }: { file: string; interval: number },
  parts: readonly StatePart[],
  clock: Clock,
  log: Logger,
  file = createStateFile(path, parts),
): KeptState {
  if (path === '') return { save: async () => {}, succeeded: () => undefined, stop: async () => {} };
  const saved = file.read();
  if (!saved.ok) log.warn('state not restored', { error: saved.fault });
  else if (saved.value) {
    for (const part of parts) {
      if (saved.value[part.name] !== undefined) part.restore(saved.value[part.name]);
    }
    log.info('state restored', { file: path, saved_at: new Date(saved.value.savedAt).toISOString() });
  }

  let stopped = false;
  let writing: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  let last: Result<void, string> | undefined;
  let cancel = clock.after(interval * 1000, tick);
  return {
    save: () => within(STALLED_MS, save(), clock),
    succeeded: () => last?.ok,
    async stop() {
      stopped = true;
      cancel();
      await within(STOP_TIMEOUT_MS, save(), clock);
    },
  };

  function tick(): void {
    save().then(() => {
      if (!stopped) cancel = clock.after(interval * 1000, tick);
    });
  }

  /** One write at a time. Callers during a write share the next one, which has what they changed. */
  function save(): Promise<void> {
    queued ??= (writing ?? Promise.resolve()).then(() => {
      queued = undefined;
      writing = write();
      return writing;
    });
    return queued;
  }

  async function write(): Promise<void> {
    const stalled = `${path} has not accepted a write for ${STALLED_MS / 1000} s: check its disk`;
    const cancelStalled = clock.after(STALLED_MS, () => report(failed(stalled)));
    const snapshots = parts.map(async ({ name, snapshot }) => [name, await snapshot()] as const);
    const state = Object.fromEntries(await Promise.all(snapshots));
    const result = await file.write({ savedAt: clock.wall(), ...state });
    cancelStalled();
    report(result);
  }

  function report(result: Result<void, string>): void {
    const before = last?.ok === false ? last.fault : undefined;
    last = result;
    if (result.ok) {
      if (before !== undefined) log.info('state is saved again', { file: path });
    } else if (result.fault !== before) log.error('state not saved', { error: result.fault });
  }
}
