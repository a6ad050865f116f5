import type { IncomingMessage } from 'node:http';
import type { TokenConfig } from '../../config/schema.ts';
import { callerBlock } from '../../lib/address.ts';
import { createLimiter } from '../../lib/limiter.ts';
import { perObject } from '../../lib/per-object.ts';
import { callerAt } from '../../unload/request.ts';
import { findToken, readCredentials } from './credentials.ts';
import type { Passwords, Users } from './passwords.ts';
import type { Permit } from './permit.ts';

/** Wrong credentials that one caller may send each minute. */
const FAILURES = { most: 10, spanMs: 60_000, keys: 10_000 };

/** The caller of a request, by its credentials. */
export type Identity = { known: true; permit: Permit } | Unknown;

export interface Unknown {
  known: false;
  why: string;
  status: 401 | 429 | 503;
  retryAfterSeconds?: number;
}

/** Identifies callers; the identity of a request is found once. */
export function createIdentities(
  tokens: () => readonly TokenConfig[],
  users: () => Users,
  passwords: Passwords,
  now: () => number,
) {
  const failures = createLimiter({ ...FAILURES, now });
  return {
    /** Whether any credentials are configured. */
    isLocked: () => tokens().length > 0 || users().size > 0,

    /** For `WWW-Authenticate`. */
    challenges: (): string[] => [
      ...(tokens().length > 0 ? ['Bearer realm="llama-router-exporter"'] : []),
      ...(users().size > 0 ? ['Basic realm="llama-router-exporter", charset="UTF-8"'] : []),
    ],

    of: perObject(identify),
  };

  async function identify({ headers, socket }: IncomingMessage): Promise<Identity> {
    const address = socket.remoteAddress;
    const credentials = readCredentials(headers.authorization);
    if (credentials.kind === 'none') return unknown('no credentials were sent');
    const token = credentials.kind === 'bearer' ? findToken(tokens(), credentials.token) : undefined;
    if (token !== undefined) return known(token.name, address, token);
    const block = callerBlock(address);
    // Before any comparison: beyond the limit, callers do not learn whether a password is right.
    const waitMs = failures.waitMs(block);
    if (waitMs > 0) return later(429, 'too many wrong credentials from this address', waitMs / 1000);
    if (credentials.kind === 'basic') {
      const { user, password } = credentials;
      // Without a thread, access is denied.
      const outcome = await passwords.check(users(), user, password).catch(() => 'broken' as const);
      if (outcome === 'right') return known(user, address);
      if (outcome === 'busy') return later(503, 'too many passwords are being checked', 1);
      if (outcome === 'broken') return later(503, 'passwords cannot be checked', 1);
    }
    failures.count(block);
    return unknown(WRONG[credentials.kind]);
  }
}

/** Without the credential and the name of the user, which may be a password in the wrong field. */
const WRONG = {
  bearer: 'unknown token',
  basic: 'wrong user or password',
  other: 'the Authorization header is neither Bearer nor Basic',
};

/** Without a token, the scope is not limited. */
export function known(name: string, address: string | undefined, token?: TokenConfig): Identity {
  const { routers = [], dry_run: dryRunOnly = false } = token ?? {};
  return { known: true, permit: { caller: callerAt(name, address), routers, dryRunOnly } };
}

function unknown(why: string): Unknown {
  return { known: false, status: 401, why };
}

function later(status: 429 | 503, why: string, seconds: number): Unknown {
  return { known: false, status, why, retryAfterSeconds: Math.ceil(seconds) };
}
