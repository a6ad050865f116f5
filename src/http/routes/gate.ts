import type { Request, Response } from 'express';
import { gateOf } from '../../hold/hold.ts';
import { modelNamed, type RouterState } from '../../models/router-state.ts';
import type { Store } from '../../models/store.ts';
import { namedRouter, routerNames } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { type WaitingRoom, waitInQuery } from '../waiting-room.ts';

/**
 * `GET /api/v1/gate`, optionally of one `router` and for one `model`: 204 when requests may pass, 503 while the
 * router is held; with `wait`, that many seconds later. Reads only memory: a proxy asks it before every request.
 */
export function gateRoute({ store, holds, clock }: AppParts, waiting: WaitingRoom) {
  return async (request: Request, response: Response) => {
    const router = routerOf(store, namesIn(request.query.router));
    const [model] = namesIn(request.query.model);
    const wait = waitInQuery(request.query.wait);
    await waiting(wait, response, () => refusalOn(router, model) === undefined);
    const refusal = refusalOn(router, model);
    if (refusal === undefined) return void response.status(204).end();
    const why = `${refusal.detail}.`;
    response.set({ 'Retry-After': String(refusal.retry_after_seconds), 'X-Gate-Error': openAiError(why) });
    throw new ProblemError(503, 'Memory is kept free', why);
  };

  function refusalOn({ name, up, models }: RouterState, model: string | undefined) {
    // The models of a router that is down are unknown.
    const known = model !== undefined && up ? modelNamed(models, model) : undefined;
    return gateOf(name, holds.on(name), known, clock);
  }
}

/** Empty names are left out: the variable of a proxy may be empty. */
function namesIn(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === 'string' && each !== '') as string[];
}

function routerOf(store: Store, [named, another]: readonly string[]): RouterState {
  const title = 'Which router?';
  if (another !== undefined) {
    throw new ProblemError(400, title, 'The query names more than one router: name one.');
  }
  if (named !== undefined) return namedRouter(store, named);
  const [first, second] = store.routers();
  if (first && !second) return first;
  const detail = first
    ? `Add ?router=NAME. The routers are ${routerNames(store)}.`
    : 'No router is configured.';
  throw new ProblemError(400, title, detail);
}

/**
 * The error as llama-server writes it, for the client. It is a header because a proxy discards the body, and ASCII
 * because headers are.
 */
function openAiError(message: string): string {
  const error = { error: { code: 503, message, type: 'unavailable_error' } };
  return JSON.stringify(error).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
