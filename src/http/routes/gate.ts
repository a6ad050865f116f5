import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Gate, gateOf } from '../../hold/gate.ts';
import type { Holds } from '../../hold/holds.ts';
import type { Clock } from '../../lib/clock.ts';
import { modelNamed } from '../../models/matching.ts';
import type { ModelState, RouterState } from '../../models/router-state.ts';
import type { Store } from '../../models/store.ts';
import { namedRouter, routerNames } from '../named-router.ts';
import { ProblemError } from '../problem.ts';

/**
 * `GET /api/v1/gate`, optionally of one `router` and for one `model`: 204 when requests may pass, 503 while the
 * router is held. Reads nothing but memory: a proxy asks it before every request. Throws a problem when it is
 * not clear which router is meant.
 */
export function gateRoute(store: Store, holds: Holds, clock: Clock) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const query = queryOf(request.url);
    const router = routerOf(store, query.getAll('router'));
    const gate = gateOf(holds.of(router.name), modelOf(router, query.get('model')), clock);
    if (gate.open) response.writeHead(204, { 'Cache-Control': 'no-store' }).end();
    else refuse(response, gate);
  };
}

function queryOf(url = ''): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** The only router needs no name. An empty name is none: a proxy's variable may be empty. */
function routerOf(store: Store, names: readonly string[]): RouterState {
  const [named, another] = names;
  if (another !== undefined) {
    const detail = `It is given ${names.length} times: say which one is meant.`;
    throw new ProblemError({ status: 400, title: 'Which router?', detail });
  }
  if (named) return namedRouter(store, named);
  const [first, second] = store.routers();
  if (first && !second) return first;
  throw new ProblemError({
    status: 400,
    title: 'Which router?',
    detail: first ? `Say ?router=NAME: there are ${routerNames(store)}.` : 'No router is configured.',
  });
}

/** Nothing is known now of the models of a router that is down. */
function modelOf(router: RouterState, named: string | null): ModelState | undefined {
  return named && router.up ? modelNamed(router.models, named) : undefined;
}

function refuse(response: ServerResponse, { retryAfterSeconds, why }: Extract<Gate, { open: false }>): void {
  const title = 'Memory is kept free';
  const body = JSON.stringify({ type: 'about:blank', title, status: 503, detail: `${why}.` });
  response
    .writeHead(503, {
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'Retry-After': retryAfterSeconds,
      'X-Gate-Error': openAiError(`${why}.`),
    })
    .end(body);
}

/**
 * The answer that clients of llama-server show to people, as llama-server writes errors itself. It comes as a
 * header because a proxy throws the body away; in ASCII, which is all that a header holds.
 */
function openAiError(message: string): string {
  const error = { error: { code: 503, message, type: 'unavailable_error' } };
  return JSON.stringify(error).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
