import type { ServerResponse } from 'node:http';
import { sendProblem } from '../problem.ts';
import type { Gate, Unknown } from './gate.ts';

const TITLES = { 401: 'Unauthorized', 429: 'Too many requests', 503: 'Busy' } as const;

/** Answers somebody who is not known. With `never429` whoever has tried too often hears 401 once more. */
export function deny(response: ServerResponse, gate: Gate, identity: Unknown, never429: boolean): void {
  const status = never429 && identity.status === 429 ? 401 : identity.status;
  if (status === 401) response.setHeader('WWW-Authenticate', gate.challenges());
  if ('retryAfterSeconds' in identity && status !== 401) {
    response.setHeader('Retry-After', String(identity.retryAfterSeconds));
  }
  sendProblem(response, { status, title: TITLES[status], detail: `Refused: ${identity.why}.` });
}

/** Answers a request that carries a credential in its URL. */
export function denyTokenInQuery(response: ServerResponse): void {
  sendProblem(response, {
    status: 400,
    title: 'Token in the URL',
    detail:
      'URLs end up in logs: send the token as a header, Authorization: Bearer TOKEN, and make a new one.',
  });
}
