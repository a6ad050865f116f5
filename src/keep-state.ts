import type { Config } from './config/schema.ts';
import type { Clock } from './lib/clock.ts';
import type { Logger } from './lib/logger.ts';
import type { Telemetry } from './metrics/telemetry.ts';
import type { Store } from './models/store.ts';
import { createStateFile } from './state/state-file.ts';

/**
 * Takes over what an earlier process saved, and saves it again when something changed and at the end. Does
 * nothing without a file. What goes wrong is logged, and stops nothing.
 */
export function keepState(
  { file: path, interval }: Config['state'],
  store: Store,
  telemetry: Telemetry,
  clock: Clock,
  log: Logger,
): { stop(): Promise<void> } {
  if (path === '') return { stop: async () => {} };
  const file = createStateFile(path);
  const saved = file.read();
  if (!saved.ok) log.warn('state not taken over', { error: saved.fault });
  else if (saved.value) {
    telemetry.restore(saved.value.counters);
    store.recall(saved.value.lastUnloads);
    log.info('state taken over', { file: path, saved_at: new Date(saved.value.savedAt).toISOString() });
  }

  let savedVersion = store.version();
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
    if (store.version() === savedVersion) return;
    const version = store.version();
    const result = await file.write({
      savedAt: clock.now(),
      counters: await telemetry.snapshot(),
      lastUnloads: store.lastUnloads(),
    });
    if (result.ok) savedVersion = version;
    else log.error('state not saved', { error: result.fault });
  }
}
