import type { NextFunction, Request, Response } from 'express';
import type { AuthRefusal } from '../../activity/activity-log.ts';
import { sendProblem } from '../problem.ts';
import { hasTokenInQuery } from './credentials.ts';
import { isCrossSite } from './cross-site.ts';
import { deny, denyTokenInQuery } from './deny.ts';
import type { Gate, Unknown } from './gate.ts';
import { FORWARDED, notLocal } from './loopback.ts';
import type { Locals, Permit } from './permit.ts';
import { refusalOf } from './refusal.ts';

export interface MayActOptions {
  /** Too many wrong credentials are answered by 401 too: Alertmanager does not soon send again what got a 429. */
  never429?: boolean;
}

/** Makes what stands before every route that changes something. */
export type MayAct = (
  options?: MayActOptions,
) => (request: Request, response: Response, next: NextFunction) => Promise<void>;

/** What becomes of a request that would change something. */
type Verdict =
  | { kind: 'permitted'; permit: Permit }
  | { kind: 'forbidden'; why: string }
  | { kind: 'unknown'; why: string; identity: Unknown }
  | { kind: 'token_in_url'; why: string };

/** Lets a request through that may change something, with its permit for the routes behind; answers all others. */
export function createMayAct(gate: Gate, onRefused: (refusal: AuthRefusal) => void): MayAct {
  return ({ never429 = false } = {}) =>
    async (request, response, next) => {
      const refused = (why: string) => onRefused(refusalOf(request, why));
      const verdict = await judge(request, gate);
      if (verdict.kind === 'permitted') {
        Object.assign(response.locals, { permit: verdict.permit, refused } satisfies Locals);
        return next();
      }
      refused(verdict.why);
      switch (verdict.kind) {
        case 'forbidden':
          return sendProblem(response, {
            status: 403,
            title: 'Forbidden',
            detail: `Refused: ${verdict.why}.`,
          });
        case 'unknown':
          return deny(response, gate, verdict.identity, never429);
        case 'token_in_url':
          return denyTokenInQuery(response);
      }
    };
}

/**
 * Never a page of another site, whatever its browser knows; where there are tokens or users, whoever has credentials;
 * where there are none, whoever is on this machine.
 */
async function judge(request: Request, gate: Gate): Promise<Verdict> {
  if (hasTokenInQuery(request.originalUrl)) return { kind: 'token_in_url', why: 'a token in the URL' };
  const { host, origin } = request.headers;
  if (isCrossSite({ host, origin, secFetchSite: request.get('sec-fetch-site') })) {
    return { kind: 'forbidden', why: 'pages of other sites may not do this' };
  }
  if (gate.isLocked()) {
    const identity = await gate.identify(request);
    if (identity.known) return { kind: 'permitted', permit: identity.permit };
    return { kind: 'unknown', why: identity.why, identity };
  }
  const peer = request.socket.remoteAddress;
  const forwarded = FORWARDED.some((header) => request.headers[header] !== undefined);
  const why = notLocal({ peer, host, forwarded });
  if (why !== undefined) return { kind: 'forbidden', why };
  const caller = { name: 'loopback', ...(peer !== undefined && { address: peer }) };
  return { kind: 'permitted', permit: { caller, routers: [], dryRunOnly: false } };
}
