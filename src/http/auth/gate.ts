import type { IncomingMessage } from 'node:http';
import type { TokenConfig } from '../../config/schema.ts';
import { callerBlock } from '../../lib/address.ts';
import type { Limiter } from '../../lib/limiter.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import type { Passwords, Users } from './passwords.ts';
import type { Permit } from './permit.ts';
import { findToken } from './tokens.ts';

/** Who a request is from, by its credentials. */
export type Identity = { known: true; permit: Permit } | Unknown;

/** Nobody that we know, why, and how that is answered. */
export type Unknown =
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
    if (token !== undefined) return known(token.name, address, token.routers, token.dry_run);
    const block = callerBlock(address);
    // Before any comparison: beyond the limit nobody learns whether a password is right.
    const waitMs = failures.waitMs(block);
    if (waitMs > 0) return later(429, 'too many wrong credentials came from there', waitMs / 1000);
    const outcome = credentials.kind === 'basic' ? await check(credentials) : 'wrong';
    switch (outcome) {
      case 'wrong':
        failures.count(block);
        return unknown(faultOf(credentials));
      case 'busy':
        return later(503, 'too many passwords wait to be compared', 1);
      case 'broken':
        return later(503, 'passwords cannot be compared', 1);
      default:
        return known(outcome.user, address);
    }
  }

  /** The thread that compares may have been ended: that lets nobody in, and the next comparison starts another. */
  async function check({ user, password }: Extract<Credentials, { kind: 'basic' }>) {
    const outcome = await passwords.check(users(), user, password).catch(() => 'broken' as const);
    return outcome === 'right' ? { user } : outcome;
  }
}

function known(
  name: string,
  address: string | undefined,
  routers: readonly string[] = [],
  dryRunOnly = false,
): Identity {
  const caller = { name, ...(address !== undefined && { address }) };
  return { known: true, permit: { caller, routers, dryRunOnly } };
}

function unknown(why: string): Unknown {
  return { known: false, status: 401, why };
}

function later(status: 429 | 503, why: string, seconds: number): Unknown {
  return { known: false, status, why, retryAfterSeconds: Math.ceil(seconds) };
}

/** Never the credential itself, nor the user's name: it may be a password in the wrong field. */
function faultOf({ kind }: Credentials): string {
  if (kind === 'bearer') return 'the token is none of ours';
  if (kind === 'basic') return 'the user or the password is wrong';
  return 'the Authorization header is neither Bearer nor Basic';
}
