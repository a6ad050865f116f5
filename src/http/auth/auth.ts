import type { Request, RequestHandler, Response } from 'express';
import type { ActivityLog } from '../../activity/activity-log.ts';
import type { TokenConfig } from '../../config/schema.ts';
import type { WebConfig } from '../../config/web-config.ts';
import { createTokenBucket } from '../../lib/limiter.ts';
import type { RefusalReason } from '../../unload/report.ts';
import { callerAt } from '../../unload/request.ts';
import { ProblemError } from '../problem.ts';
import { hasTokenInQuery } from './credentials.ts';
import { createIdentities, type Identity, known, type Unknown } from './identity.ts';
import { isCrossSite, notLocal } from './origin.ts';
import { type Compare, createPasswords } from './passwords.ts';
import type { Locals } from './permit.ts';

interface AuthParts {
  /** The current ones: a reload may change them. */
  tokens(): readonly TokenConfig[];
  /** The current web configuration file; absent: there is none. */
  web?: (() => WebConfig) | undefined;
  /** Compares passwords with their hashes. */
  compare: Compare;
  /** The caller is `unknown`. */
  onRefused: ActivityLog['refused'];
  now(): number;
}

/** Express handlers that decide who may read and who may write. */
export type Auth = ReturnType<typeof createAuth>;

const NO_USERS: WebConfig['users'] = new Map();
/** Longer paths are attacks. */
const LONGEST_PATH = 200;
const TITLES = { 401: 'Unauthorized', 403: 'Forbidden', 429: 'Too many requests', 503: 'Busy' };

const SET_A_TOKEN =
  ' To allow other callers, give the exporter a token of at least 16 characters (auth.tokens in its configuration, or the' +
  ' environment variable LLAMA_ROUTER_EXPORTER_TOKEN_FILE) and send it as Authorization: Bearer TOKEN.';

export function createAuth({ tokens, web, compare, onRefused, now }: AuthParts) {
  const passwords = createPasswords(compare);
  const users = () => web?.().users ?? NO_USERS;
  const identities = createIdentities(tokens, users, passwords, now);
  const bucket = createTokenBucket(now);
  return { requireRead, requireWrite };

  /** Applies the web configuration file: headers, rate limit, users. `never429`: paths that get another status. */
  function requireRead(never429: readonly string[]): RequestHandler {
    return async (request, response, next) => {
      const { headers = [], rateLimit, users = NO_USERS } = web?.() ?? {};
      for (const [name, value] of headers) response.setHeader(name, value);
      const spared = never429.includes(request.path);
      if (rateLimit !== undefined && !bucket.take(rateLimit)) {
        response.setHeader('Retry-After', String(Math.ceil(rateLimit.intervalMs / 1000)));
        if (spared) refused(request, 'rate_limit of the web configuration file', 'rate_limited');
        throw new ProblemError(spared ? 503 : 429, 'Too many requests');
      }
      if (users.size === 0) return next();
      refuseTokenInQuery(request);
      const identity = await identities.of(request);
      if (identity.known) return next();
      throw denied(request, response, identity, spared);
    };
  }

  /** Passes only callers with write access, with their permit; `never429`: answers 401 in its place. */
  function requireWrite({ never429 = false } = {}): RequestHandler {
    return async (request, response, next) => {
      refuseTokenInQuery(request);
      if (isCrossSite(request)) throw refusal(request, 403, 'pages of other sites may not do this');
      const identity = identities.isLocked() ? await identities.of(request) : identityOfLocal(request);
      if (identity.known) {
        const locals: Locals = { permit: identity.permit, refused: (why) => refused(request, why) };
        Object.assign(response.locals, locals);
        return next();
      }
      throw denied(request, response, identity, never429);
    };
  }

  /** Without tokens and users, programs on this machine have write access. */
  function identityOfLocal(request: Request): Identity {
    const address = request.socket.remoteAddress;
    const why = notLocal(address, request.headers);
    if (why !== undefined) throw refusal(request, 403, why, SET_A_TOKEN);
    return known('loopback', address);
  }

  function refuseTokenInQuery(request: Request): void {
    if (!hasTokenInQuery(request.originalUrl)) return;
    refused(request, 'a token in the URL');
    const detail = 'Logs keep URLs. Replace the token, and send it as a header: Authorization: Bearer TOKEN.';
    throw new ProblemError(400, 'Token in the URL', detail);
  }

  function refusal(request: Request, status: keyof typeof TITLES, why: string, remedy = ''): ProblemError {
    refused(request, why);
    return new ProblemError(status, TITLES[status], `Refused: ${why}.${remedy}`);
  }

  function refused(request: Request, why: string, reason: RefusalReason = 'unauthorized'): void {
    // The query may hold a credential.
    const [path = ''] = request.originalUrl.split('?');
    const caller = callerAt('unknown', request.socket.remoteAddress);
    onRefused(reason, caller, `${request.method} ${path.slice(0, LONGEST_PATH)}`, why);
  }

  function denied(request: Request, response: Response, identity: Unknown, never429: boolean): ProblemError {
    const status = never429 && identity.status === 429 ? 401 : identity.status;
    if (status === 401) response.setHeader('WWW-Authenticate', identities.challenges());
    else response.setHeader('Retry-After', String(identity.retryAfterSeconds ?? 1));
    return refusal(request, status, identity.why);
  }
}
