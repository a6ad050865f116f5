import type { AuthRefusal } from '../activity/activity-log.ts';
import type { ConfigSource } from '../config/source.ts';
import type { WebConfig } from '../config/web-config.ts';
import { createWebSource } from '../config/web-config.ts';
import type { WebTls } from '../config/web-tls.ts';
import { isLoopbackAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { type Auth, createAuth } from './auth/auth.ts';

export interface Access {
  auth: Auth;
  /** The current TLS settings; absent: plain HTTP. */
  tls?: (() => WebTls) | undefined;
  /** Logs a warning when write access depends on the address of the caller alone, and the service is reachable. */
  warnWhenOpen(): void;
}

/**
 * Combines the tokens of the configuration with the users and TLS of the web configuration file. Throws a ConfigError
 * when that file is invalid.
 */
export function createAccess(
  config: ConfigSource,
  onRefused: (refusal: AuthRefusal) => void,
  { now }: Clock,
  log: Logger,
): Access {
  const file = config.current.web.config_file;
  const source = file === '' ? undefined : createWebSource(file, { now, onReload });
  const web = source && (() => source.current());
  const started = web?.();
  if (started) log.info('web configuration loaded', { file, ...summaryOf(started) });
  const auth = createAuth({ tokens: () => config.current.auth.tokens, web, onRefused, now });
  let tls = started?.tls;
  const warnWhenOpen = () => {
    if (!started?.users.size) warnAboutProxies(config.current, log);
  };
  if (!web || !tls) return { auth, warnWhenOpen };
  return {
    auth,
    warnWhenOpen,
    // A running server stays with HTTPS: when TLS is removed from the file, the last settings remain.
    tls: () => (tls = web().tls ?? (tls as WebTls)),
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
  const { host } = web.listen_address;
  if (auth.tokens.length > 0 || host === 'localhost' || isLoopbackAddress(host)) return;
  log.warn(
    'no token is configured: behind a reverse proxy on this machine, remote callers may unload models',
    {
      listen_address: `${host ?? ''}:${web.listen_address.port}`,
      remedy: 'configure auth.tokens, or set web.listen_address to 127.0.0.1 and use no proxy',
    },
  );
}
