import type { AuthRefusal } from '../activity/activity-log.ts';
import type { ConfigSource } from '../config/source.ts';
import type { WebConfig } from '../config/web-config.ts';
import { createWebSource } from '../config/web-source.ts';
import type { WebTls } from '../config/web-tls.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { type Auth, createAuth } from './auth/auth.ts';

/** Who is let in. */
export interface Access {
  auth: Auth;
  /** As it is now; absent: plain HTTP, until the next start. */
  tls?: () => WebTls;
}

/**
 * The tokens of the configuration with the users and the TLS of the web configuration file. Throws a ConfigError
 * when that file cannot be used.
 */
export function createAccess(
  config: ConfigSource,
  onRefused: (refusal: AuthRefusal) => void,
  clock: Clock,
  log: Logger,
): Access {
  const file = config.current.web.config_file;
  const { now } = clock;
  const source = file === '' ? undefined : createWebSource(file, { now, onReload: onReread });
  const web = source && (() => source.current());
  const started = web?.();
  if (started) log.info('web configuration', { file, ...summaryOf(started) });
  const auth = createAuth({
    tokens: () => config.current.auth.tokens,
    ...(web && { web }),
    onRefused,
    now,
  });
  let tls = started?.tls;
  if (!web || !tls) return { auth };
  return {
    auth,
    // A server does not become one of plain HTTP while it runs: the last TLS stays.
    tls: () => (tls = web().tls ?? (tls as WebTls)),
  };

  function onReread(fault: Error | undefined): void {
    if (fault !== undefined) {
      log.error('the web configuration was not read anew, the old one is in force', {
        error: fault.message,
      });
      return;
    }
    const current = source?.current();
    if (current === undefined) return;
    log.info('web configuration read anew', { file, ...summaryOf(current) });
    if ((current.tls === undefined) !== (started?.tls === undefined)) {
      log.warn('some changes wait for a restart', { options: 'tls_server_config' });
    }
  }
}

function summaryOf({ tls, users }: WebConfig) {
  return { tls: tls !== undefined, users: users.size };
}
