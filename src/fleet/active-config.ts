import { needsRestart } from '../config/needs-restart.ts';
import type { Config } from '../config/schema.ts';
import type { ConfigSource } from '../config/source.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { createDiscovery, type Discovery } from './discovery/discovery.ts';
import type { Fleet } from './fleet.ts';

/** The configuration in force, and the fleet that is kept at it. */
export interface ActiveConfig {
  /** Its routers are also those that were found. */
  current(): Config;
  discovery: Discovery;
  /** How the last attempt to load it went, and when it was last loaded, in milliseconds since the epoch. */
  loads(): { successful: boolean; loadedAt: number };
  /** Follows its routers, from now on also as they are found. */
  start(): Promise<void>;
  /** Reads it anew; `error` says what is wrong with it, and the old one is kept. */
  reload(): Promise<{ error?: string }>;
  /** Resolves when no change is under way, and none comes any more. */
  stop(): Promise<void>;
}

export function createActiveConfig(
  source: ConfigSource,
  fleet: Fleet,
  clock: Clock,
  log: Logger,
): ActiveConfig {
  const started = source.current;
  const discovery = createDiscovery(started, clock);
  const current = () => discovery.current;
  let loads = { successful: true, loadedAt: clock.now() };
  let stopped = false;
  let applying = Promise.resolve();
  discovery.onNews(({ changed }) => {
    if (changed) inTurn(() => fleet.apply(current()));
  });

  return {
    current,
    discovery,
    loads: () => loads,
    start: () => inTurn(() => follow(started)),
    reload: () => inTurn(reload),
    async stop() {
      stopped = true;
      discovery.stop();
      await applying;
    },
  };

  /** One at a time: a router that one change takes away and the next brings back is ended before it starts. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = applying.then(change);
    applying = result.then(
      () => {},
      () => {},
    );
    return result;
  }

  async function follow(config: Config): Promise<void> {
    await discovery.follow(config);
    await fleet.apply(current());
  }

  async function reload(): Promise<{ error?: string }> {
    if (stopped) return { error: 'shutting down' };
    const result = source.reload();
    if (!result.ok) {
      loads = { ...loads, successful: false };
      log.error('configuration reload failed; keeping the previous configuration', {
        error: result.error.message,
      });
      return { error: result.error.message };
    }
    await follow(result.config);
    loads = { successful: true, loadedAt: clock.now() };
    const restart = needsRestart(started, result.config);
    log.info('configuration reloaded', { routers: current().routers.length });
    if (restart.length > 0) log.warn('some changes wait for a restart', { options: restart.join(', ') });
    return {};
  }
}
