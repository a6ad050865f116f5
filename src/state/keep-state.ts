import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { SAVED_PARTS, type SavedParts } from './saved-parts.ts';
import { createStateFile, type SavedState } from './state-file.ts';

/** One part of what survives a restart. */
export interface Keeper<Part> {
  /** Another value after every change that is worth saving. */
  version(): number | string;
  snapshot(): Part | Promise<Part>;
  /** Takes over what an earlier process saved: once, before the first snapshot. */
  restore(saved: Part): void;
}

/** A keeper for every part: one that is added does not compile without. */
export type Keepers = { [Name in keyof SavedParts]: Keeper<SavedParts[Name]> };

/**
 * Takes over what an earlier process saved, and saves it again when something changed and at the end. Does
 * nothing without a file. What goes wrong is logged, and stops nothing.
 */
export function keepState(
  { file: path, interval }: Config['state'],
  keepers: Keepers,
  clock: Clock,
  log: Logger,
): { stop(): Promise<void> } {
  if (path === '') return { stop: async () => {} };
  const file = createStateFile(path, SAVED_PARTS);
  const saved = file.read();
  if (!saved.ok) log.warn('state not taken over', { error: saved.fault });
  else if (saved.value) {
    restore(keepers, saved.value);
    log.info('state taken over', { file: path, saved_at: new Date(saved.value.savedAt).toISOString() });
  }

  let savedVersion = versionOf(keepers);
  let cancel = clock.after(interval * 1000, tick);
  let writing = Promise.resolve();
  return {
    async stop() {
      cancel();
      await writing;
      cancel(); // What was being written has set the next time.
      await save();
    },
  };

  function tick(): void {
    writing = save().then(() => {
      cancel = clock.after(interval * 1000, tick);
    });
  }

  async function save(): Promise<void> {
    const version = versionOf(keepers);
    if (version === savedVersion) return;
    const result = await file.write({ savedAt: clock.now(), ...(await snapshot(keepers)) });
    if (result.ok) savedVersion = version;
    else log.error('state not saved', { error: result.fault });
  }
}

/** Of all together; not a sum, in which two changes could cancel out. */
function versionOf(keepers: Keepers): string {
  return Object.values(keepers)
    .map(({ version }) => version())
    .join();
}

async function snapshot(keepers: Keepers): Promise<Record<string, unknown>> {
  const parts = Object.entries(keepers).map(async ([name, part]) => [name, await part.snapshot()] as const);
  return Object.fromEntries(await Promise.all(parts));
}

/** A part that an older file does not have yet is left as it is. */
function restore(keepers: Keepers, saved: SavedState): void {
  for (const [name, keeper] of Object.entries(keepers)) {
    // The part belongs to the keeper of the same name, which the compiler cannot follow through the loop.
    if (saved[name] !== undefined) (keeper as Keeper<unknown>).restore(saved[name]);
  }
}
