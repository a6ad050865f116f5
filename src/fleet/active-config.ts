import type { Config } from '../config/schema.ts';
import { type ConfigSource, needsRestart } from '../config/source.ts';
import type { Clock } from '../lib/clock.ts';
import { createLimit } from '../lib/concurrency.ts';
import type { Logger } from '../lib/logger.ts';
import { createDiscovery } from './discovery/discovery.ts';
import type { Fleet } from './fleet.ts';

export type ActiveConfig = ReturnType<typeof createActiveConfig>;

/** The configuration that is used now; the fleet follows its routers. */
export function createActiveConfig(source: ConfigSource, fleet: Fleet, clock: Clock, log: Logger) {
  const started = source.current;
  const discovery = createDiscovery(started, clock);
  let loads = { successful: true, loadedAt: clock.now() };
  let stopped = false;
  /** One change at a time: a router that is removed and added again is stopped before it starts. */
  const exclusive = createLimit(1);
  discovery.onChange(({ changed }) => {
    if (changed) void exclusive(() => fleet.apply(discovery.current));
  });

  return {
    /** Includes the discovered routers. */
    current: (): Config => discovery.current,
    discovery,
    /** Whether the last load succeeded, and when the active configuration was loaded (monotonic milliseconds). */
    loads: () => loads,
    /** Starts following the routers, and from then on the discovered ones too. */
    start: () => exclusive(() => follow(started)),
    /** Loads the configuration again; with an `error` the previous configuration stays active. */
    reload: () => exclusive(reload),
    /** Resolves when no change is under way, and none follows. */
    async stop(): Promise<void> {
      stopped = true;
      discovery.stop();
      await exclusive(async () => {});
    },
  };

  async function follow(config: Config): Promise<void> {
    await discovery.follow(config);
    await fleet.apply(discovery.current);
  }

  async function reload(): Promise<{ error?: string }> {
    if (stopped) return { error: 'shutting down' };
    const result = source.reload();
    if (!result.ok) {
      const error = result.fault.message;
      loads = { ...loads, successful: false };
      log.error('configuration reload failed; keeping the previous configuration', { error });
      return { error };
    }
    await follow(result.value);
    loads = { successful: true, loadedAt: clock.now() };
    log.info('configuration reloaded', { routers: discovery.current.routers.length });
    const restart = needsRestart(started, result.value);
    if (restart.length > 0) log.warn('some changes need a restart', { options: restart.join(', ') });
    return {};
  }
}
