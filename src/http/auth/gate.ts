import type { IncomingMessage } from 'node:http';
import type { TokenConfig } from '../../config/schema.ts';
import type { Limiter } from '../../lib/limiter.ts';
import { callerBlock } from './address.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import type { Passwords, Users } from './passwords.ts';
import type { Permit } from './permit.ts';
import { findToken } from './tokens.ts';

/** Who a request is from, by its credentials. */
export type Identity =
  | { known: true; permit: Permit }
  | { known: false; why: string; status: 401 }
  | { known: false; why: string; status: 429 | 503; retryAfterSeconds: number };

export interface GateParts {
  tokens(): readonly TokenConfig[];
  users(): Users;
  passwords: Passwords;
  /** Counts wrong credentials by where they come from. */
  failures: Limiter;
}

export type Gate = ReturnType<typeof createGate>;

/** Knows callers by their credentials. What it has found out of a request it does not find out again. */
export function createGate({ tokens, users, passwords, failures }: GateParts) {
  const found = new WeakMap<IncomingMessage, Promise<Identity>>();
  return {
    /** Whether there are credentials that anybody could have. */
    isLocked: () => tokens().length > 0 || users().size > 0,

    /** What `WWW-Authenticate` says. */
    challenges: (): string[] => [
      ...(tokens().length > 0 ? ['Bearer realm="llama-router-exporter"'] : []),
      ...(users().size > 0 ? ['Basic realm="llama-router-exporter", charset="UTF-8"'] : []),
    ],

    identify(request: IncomingMessage): Promise<Identity> {
      const known = found.get(request);
      if (known !== undefined) return known;
      const identity = identify(request);
      found.set(request, identity);
      return identity;
    },
  };

  async function identify({ headers, socket }: IncomingMessage): Promise<Identity> {
    const address = socket.remoteAddress;
    const credentials = readCredentials(headers.authorization);
    if (credentials.kind === 'none') return unknown('no credentials were sent');
    const token = credentials.kind === 'bearer' ? findToken(tokens(), credentials.token) : undefined;
    if (token !== undefined) {
      const { name, routers, dry_run } = token;
      return { known: true, permit: { caller: calledFrom(name, address), routers, dryRunOnly: dry_run } };
    }
    const block = callerBlock(address);
    // Before any comparison: beyond the limit nobody learns whether a password is right.
    const waitMs = failures.waitMs(block);
    if (waitMs > 0) {
      const retryAfterSeconds = Math.ceil(waitMs / 1000);
      return {
        known: false,
        status: 429,
        why: 'too many wrong credentials came from there',
        retryAfterSeconds,
      };
    }
    const outcome = credentials.kind === 'basic' ? await check(credentials) : 'wrong';
    switch (outcome) {
      case 'right': {
        const name = credentials.kind === 'basic' ? credentials.user : '';
        return { known: true, permit: { caller: calledFrom(name, address), routers: [], dryRunOnly: false } };
      }
      case 'wrong':
        failures.count(block);
        return unknown(faultOf(credentials));
      case 'busy':
        return {
          known: false,
          status: 503,
          why: 'too many passwords wait to be compared',
          retryAfterSeconds: 1,
        };
      case 'broken':
        return { known: false, status: 503, why: 'passwords cannot be compared', retryAfterSeconds: 1 };
    }
  }

  /** The thread that compares may have been ended: that lets nobody in, and the next comparison starts another. */
  function check({ user, password }: Extract<Credentials, { kind: 'basic' }>) {
    return passwords.check(users(), user, password).catch(() => 'broken' as const);
  }
}

function unknown(why: string): Identity {
  return { known: false, status: 401, why };
}

function calledFrom(name: string, address: string | undefined) {
  return { name, ...(address !== undefined && { address }) };
}

/** Never the credential itself; a user's name is none, but may be a password in the wrong field. */
function faultOf({ kind }: Credentials): string {
  if (kind === 'bearer') return 'the token is none of ours';
  if (kind === 'basic') return 'the user or the password is wrong';
  return 'the Authorization header is neither Bearer nor Basic';
}
