import type { NextFunction, Request, Response } from 'express';
import { sendProblem } from '../problem.ts';
import { hasTokenInQuery } from './credentials.ts';
import { isCrossSite } from './cross-site.ts';
import { deny, denyTokenInQuery } from './deny.ts';
import type { Gate } from './gate.ts';
import { FORWARDED, notLocal } from './loopback.ts';
import type { Locals, Permit } from './permit.ts';
import { type Refusal, refusalOf } from './refusal.ts';

export interface MayActOptions {
  /** Too many wrong credentials are answered by 401 too: Alertmanager never sends again what got a 429. */
  never429?: boolean;
}

/** Makes what stands before every route that changes something. */
export type MayAct = (
  options?: MayActOptions,
) => (request: Request, response: Response, next: NextFunction) => Promise<void>;

/**
 * Lets a request through that may change something, with its permit. Never a page of another site, whatever its
 * browser knows; with tokens or users whoever has credentials, without any whoever is on this machine.
 */
export function createMayAct(gate: Gate, onRefused: (refusal: Refusal) => void): MayAct {
  return ({ never429 = false } = {}) =>
    async (request, response, next) => {
      const refused = (why: string) => onRefused(refusalOf(request, why));
      const forbid = (why: string) => {
        refused(why);
        sendProblem(response, { status: 403, title: 'Forbidden', detail: `Refused: ${why}.` });
      };
      const pass = (permit: Permit) => {
        Object.assign(response.locals, { permit, refused } satisfies Locals);
        next();
      };
      if (hasTokenInQuery(request.originalUrl)) {
        refused('a token in the URL');
        return denyTokenInQuery(response);
      }
      const { host, origin } = request.headers;
      if (isCrossSite({ host, origin, secFetchSite: request.get('sec-fetch-site') })) {
        return forbid('pages of other sites may not do this');
      }
      if (gate.isLocked()) {
        const identity = await gate.identify(request);
        if (identity.known) return pass(identity.permit);
        refused(identity.why);
        return deny(response, gate, identity, never429);
      }
      const peer = request.socket.remoteAddress;
      const forwarded = FORWARDED.some((header) => request.headers[header] !== undefined);
      const reason = notLocal({ peer, host, forwarded });
      if (reason !== undefined) return forbid(reason);
      pass({ caller: { name: 'loopback', ...(peer && { address: peer }) }, routers: [], dryRunOnly: false });
    };
}
