import type { RequestHandler } from 'express';
import type { AuthRefusal } from '../../activity/activity-log.ts';
import type { WebConfig } from '../../config/web-config.ts';
import { createTokenBucket } from '../../lib/token-bucket.ts';
import { sendProblem } from '../problem.ts';
import { hasTokenInQuery } from './credentials.ts';
import { deny, denyTokenInQuery } from './deny.ts';
import type { Gate } from './gate.ts';
import { refusalOf } from './refusal.ts';

export interface GuardParts {
  gate: Gate;
  web(): WebConfig;
  /** Paths that are never answered by 429. */
  never429: readonly string[];
  onRefused(refusal: AuthRefusal): void;
  now(): number;
}

/** Applies the web configuration file to every request: its headers, its rate limit, and its users. */
export function createGuard({ gate, web, never429, onRefused, now }: GuardParts): RequestHandler {
  const bucket = createTokenBucket(now);
  return async (request, response, next) => {
    const { headers, rateLimit, users } = web();
    for (const [name, value] of headers) response.setHeader(name, value);
    const spared = never429.includes(request.path);
    if (rateLimit !== undefined && !bucket.take(rateLimit)) {
      response.setHeader('Retry-After', String(Math.ceil(rateLimit.intervalMs / 1000)));
      return sendProblem(response, { status: spared ? 503 : 429, title: 'Too many requests' });
    }
    if (users.size === 0) return next();
    if (hasTokenInQuery(request.originalUrl)) {
      onRefused(refusalOf(request, 'a token in the URL'));
      return denyTokenInQuery(response);
    }
    const identity = await gate.identify(request);
    if (identity.known) return next();
    onRefused(refusalOf(request, identity.why));
    deny(response, gate, identity, spared);
  };
}
