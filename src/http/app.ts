import express, { type Express, type RequestHandler } from 'express';
import { jsonBody, NOTIFICATION_BYTES, withoutBody } from './body.ts';
import type { AppParts } from './parts.ts';
import { methodNotAllowed, notFound, problemHandler } from './problem.ts';
import { alertmanagerRoute, reportRefusals } from './routes/alertmanager.ts';
import { eventsRoute } from './routes/events.ts';
import { gateRoute } from './routes/gate.ts';
import { holdRoute, holdsRoute, placeHoldRoute, releaseHoldRoute, renewHoldRoute } from './routes/holds.ts';
import { loadRoute } from './routes/load.ts';
import { metricsRoute } from './routes/metrics.ts';
import { pageRoute, scriptRoute, styleRoute } from './routes/page.ts';
import { healthyRoute, openapiRoute, readyRoute, reloadRoute } from './routes/service.ts';
import { stateAnswers } from './routes/state.ts';
import { unloadAllBody, unloadBody, unloadRoute } from './routes/unload.ts';
import { usageRoute } from './routes/usage.ts';
import { createWaitingRoom } from './waiting-room.ts';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** `alerts` is the webhook: write access whose refusals are reported and never 429, which Alertmanager does not send again. */
  permission: 'read' | 'write' | 'alerts';
  /** `ignored` bodies of writes are awaited but not used; `none` refuses one. */
  body: 'json' | 'none' | 'ignored';
  handler: RequestHandler;
}

/** Every route of the service. */
export function routesOf(parts: AppParts): Route[] {
  const unloadAll = unloadRoute(parts, unloadAllBody);
  const alertmanager = alertmanagerRoute(parts);
  const waiting = createWaitingRoom(parts);
  return [
    ...[...parts.scrapes].map(([path, scrape]) => read(path, metricsRoute(scrape))),
    read('/', pageRoute(parts)),
    read('/style.css', styleRoute),
    read('/page.js', scriptRoute),
    read('/-/healthy', healthyRoute),
    read('/-/ready', readyRoute(parts)),
    { ...write('POST', '/-/reload', reloadRoute(parts)), body: 'ignored' },
    ...Object.entries(stateAnswers(parts)).map(([path, answer]) =>
      read(path, (request, response) => void response.json(answer(request))),
    ),
    read('/api/v1/events', eventsRoute(parts)),
    read('/api/v1/holds', holdsRoute(parts)),
    write('POST', '/api/v1/holds', placeHoldRoute(parts, waiting)),
    read('/api/v1/holds/:id', holdRoute(parts, waiting)),
    write('PATCH', '/api/v1/holds/:id', renewHoldRoute(parts)),
    { ...write('DELETE', '/api/v1/holds/:id', releaseHoldRoute(parts)), body: 'none' },
    read('/api/v1/gate', gateRoute(parts, waiting)),
    write('POST', '/api/v1/usage', usageRoute(parts)),
    write('POST', '/api/v1/load', loadRoute(parts)),
    write('POST', '/api/v1/unload', unloadRoute(parts, unloadBody)),
    write('POST', '/api/v1/unload-all', unloadAll),
    write('POST', '/unload-all', unloadAll),
    ...WEBHOOKS.flatMap((path) => [webhook('POST', path, alertmanager), webhook('PUT', path, alertmanager)]),
    read('/api/v1/openapi.json', openapiRoute(parts)),
  ];
}

/** Alertmanager sends with POST, Grafana with POST or PUT. */
const WEBHOOKS = ['/api/v1/alertmanager', '/webhook/alertmanager', '/webhook/grafana'];

function webhook(method: Route['method'], path: string, handler: RequestHandler): Route {
  return { ...write(method, path, handler), permission: 'alerts' };
}

function read(path: string, handler: RequestHandler): Route {
  return { method: 'GET', path, permission: 'read', body: 'ignored', handler };
}

function write(method: Route['method'], path: string, handler: RequestHandler): Route {
  return { method, path, permission: 'write', body: 'json', handler };
}

export function createApp(parts: AppParts): Express {
  const { auth, activityLog, log } = parts;
  const routes = routesOf(parts);
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.use((_request, response, next) => {
    response.set({ 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
    next();
  });
  app.use(auth.requireRead(WEBHOOKS));
  for (const path of new Set(routes.map((each) => each.path))) {
    const own = routes.filter((each) => each.path === path);
    const served = app.route(path);
    for (const each of own) served[METHODS[each.method]](handlersOf(each, auth));
    served.all(methodNotAllowed(...own.map(({ method }) => method)));
  }
  app.use(notFound);
  app.use(WEBHOOKS, reportRefusals(activityLog));
  app.use(problemHandler(log));
  return app;
}

const METHODS = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const;

function handlersOf(
  { permission, body, handler }: Route,
  { requireWrite }: AppParts['auth'],
): RequestHandler[] {
  if (permission === 'read') return [handler];
  const isWebhook = permission === 'alerts';
  const readBody =
    body === 'json'
      ? jsonBody(isWebhook ? NOTIFICATION_BYTES : undefined)
      : withoutBody({ ignored: body === 'ignored' });
  return [requireWrite({ never429: isWebhook }), readBody, handler];
}
