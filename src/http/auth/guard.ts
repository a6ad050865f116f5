import type { RequestListener } from 'node:http';
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
  /** Paths whose callers never hear 429. */
  never429: readonly string[];
  onRefused(refusal: AuthRefusal): void;
  now(): number;
}

/**
 * What the web configuration file asks of every request, before anything else sees it: its headers on the answer,
 * no more requests than its limit, and credentials when it has users.
 */
export function guard(answer: RequestListener, parts: GuardParts): RequestListener {
  const { gate, web, never429, onRefused, now } = parts;
  const bucket = createTokenBucket(now);
  return (request, response) => {
    const { headers, rateLimit, users } = web();
    for (const [name, value] of headers) response.setHeader(name, value);
    const [path = ''] = (request.url ?? '').split('?');
    const spared = never429.includes(path);
    if (rateLimit !== undefined && !bucket.take(rateLimit)) {
      response.setHeader('Retry-After', String(Math.ceil(rateLimit.intervalMs / 1000)));
      return sendProblem(response, { status: spared ? 503 : 429, title: 'Too many requests' });
    }
    if (users.size === 0) return answer(request, response);
    if (hasTokenInQuery(request.url ?? '')) {
      onRefused(refusalOf(request, 'a token in the URL'));
      return denyTokenInQuery(response);
    }
    gate.identify(request).then((identity) => {
      if (identity.known) return answer(request, response);
      onRefused(refusalOf(request, identity.why));
      deny(response, gate, identity, spared);
    });
  };
}
