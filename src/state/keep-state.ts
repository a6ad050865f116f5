import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { type PartFormat, readState, writeState } from './state-file.ts';

/** One part of the state file. The folder that owns the data defines it. */
export interface StatePart<Saved = unknown> extends PartFormat<Saved> {
  snapshot(): Saved | Promise<Saved>;
  /** Called once, before the first snapshot, with what an earlier process saved. */
  restore(saved: Saved): void;
}

/** The state file in use. */
export interface KeptState {
  /** Resolves when everything up to now is written, or could not be written, which is logged. */
  save(): Promise<void>;
  /** Saves for the last time. */
  stop(): Promise<void>;
}

/**
 * Restores every part from the state file, then saves all of them at each interval and at the end. Does nothing
 * without a file. Failures are logged and stop nothing. `interval` in seconds.
 */
export function keepState(
  { file, interval }: { file: string; interval: number },
  parts: readonly StatePart[],
  clock: Clock,
  log: Logger,
): KeptState {
  if (file === '') return { save: async () => {}, stop: async () => {} };
  const saved = readState(file, parts);
  if (!saved.ok) log.warn('state not restored', { error: saved.fault });
  else if (saved.value) {
    for (const part of parts) {
      if (saved.value[part.name] !== undefined) part.restore(saved.value[part.name]);
    }
    log.info('state restored', { file, saved_at: new Date(saved.value.savedAt).toISOString() });
  }

  let stopped = false;
  let writing: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  let cancel = clock.after(interval * 1000, tick);
  return {
    save,
    async stop() {
      stopped = true;
      cancel();
      await save();
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
    const snapshots = parts.map(async ({ name, snapshot }) => [name, await snapshot()] as const);
    const state = Object.fromEntries(await Promise.all(snapshots));
    const result = await writeState(file, { savedAt: clock.wall(), ...state });
    if (!result.ok) log.error('state not saved', { error: result.fault });
  }
}
