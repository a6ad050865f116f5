import type { ActivityLog } from '../activity/activity-log.ts';
import { formatListenAddress } from '../config/address.ts';
import type { ConfigSource } from '../config/source.ts';
import type { WebConfig } from '../config/web-config.ts';
import { createWebSource } from '../config/web-config.ts';
import type { WebTls } from '../config/web-tls.ts';
import { isLoopbackAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { createAuth } from './auth/auth.ts';
import { createComparer } from './auth/passwords.ts';

/**
 * Combines the tokens of the configuration with the users and TLS of the web configuration file. Throws a ConfigError
 * when that file is invalid.
 */
export function createAccess(
  config: ConfigSource,
  onRefused: ActivityLog['refused'],
  { now }: Clock,
  log: Logger,
) {
  const file = config.current.web.config_file;
  const source = file === '' ? undefined : createWebSource(file, { now, onReload });
  const started = source?.current();
  if (started) log.info('web configuration loaded', { file, ...summaryOf(started) });
  let tls = started?.tls;
  return {
    auth: createAuth({
      tokens: () => config.current.auth.tokens,
      web: source?.current,
      compare: createComparer(),
      onRefused,
      now,
    }),
    /** The current TLS settings; absent: plain HTTP. When they are removed from the file, the last ones remain. */
    tls: tls && (() => (tls = source?.current().tls ?? (tls as WebTls))),
    /** Logs a warning when write access depends on the address of the caller alone, and the service is reachable. */
    warnWhenOpen() {
      if (!started?.users.size) warnAboutProxies(config.current, log);
    },
  };

  function onReload(fault: Error | undefined): void {
    if (fault !== undefined) {
      log.error('web configuration reload failed; keeping the previous one', { error: fault.message });
      return;
    }
    const current = source?.current();
    if (current === undefined) return;
    log.info('web configuration reloaded', { file, ...summaryOf(current) });
    if ((current.tls === undefined) !== (started?.tls === undefined)) {
      log.warn('some changes need a restart', { options: 'tls_server_config' });
    }
  }
}

function summaryOf({ tls, users }: WebConfig) {
  return { tls: tls !== undefined, users: users.size };
}

/** A local reverse proxy that rewrites `Host` makes remote callers look local. */
function warnAboutProxies({ auth, web }: ConfigSource['current'], log: Logger): void {
  const reachable = web.listen_address.filter(
    (address) =>
      address.path === undefined && address.host !== 'localhost' && !isLoopbackAddress(address.host),
  );
  if (auth.tokens.length > 0 || reachable.length === 0) return;
  log.warn(
    'no token is configured: behind a reverse proxy on this machine, remote callers may unload models',
    {
      listen_address: reachable.map((address) => formatListenAddress(address)).join(', '),
      remedy: 'configure auth.tokens, or set web.listen_address to 127.0.0.1 and use no proxy',
    },
  );
}
