import express, { type Express, type RequestHandler } from 'express';
import { jsonBody, withoutBody } from './body.ts';
import type { AppParts } from './parts.ts';
import { methodNotAllowed, notFound, problemHandler } from './problem.ts';
import { alertmanagerRoute } from './routes/alertmanager.ts';
import { eventsRoute } from './routes/events.ts';
import { gateRoute } from './routes/gate.ts';
import { holdsRoute, placeHoldRoute, releaseHoldRoute } from './routes/hold.ts';
import { metricsRoute } from './routes/metrics.ts';
import { operationRoute, operationsRoute } from './routes/operations.ts';
import { pageRoute, scriptRoute, styleRoute } from './routes/page.ts';
import { healthyRoute, openapiRoute, readyRoute, reloadRoute } from './routes/service.ts';
import { modelsRoute, routersRoute } from './routes/state.ts';
import { unloadRoute } from './routes/unload.ts';
import { unloadAllBody, unloadBody } from './routes/unload-body.ts';
import { usageRoute } from './routes/usage.ts';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  /** `alerts` is write access whose refusals are never 429, which Alertmanager does not send again. */
  permission: 'read' | 'write' | 'alerts';
  /** `ignored` bodies of writes are awaited but not used; `none` refuses one. */
  body: 'json' | 'none' | 'ignored';
  handler: RequestHandler;
}

/** Every route of the service. */
export function routesOf(parts: AppParts): Route[] {
  const unloadAll = unloadRoute(parts, unloadAllBody);
  const alertmanager = alertmanagerRoute(parts);
  return [
    ...[...parts.scrapes].map(([path, scrape]) =>
      route('GET', path, 'read', 'ignored', metricsRoute(scrape)),
    ),
    route('GET', '/', 'read', 'ignored', pageRoute(parts)),
    route('GET', '/style.css', 'read', 'ignored', styleRoute),
    route('GET', '/page.js', 'read', 'ignored', scriptRoute),
    route('GET', '/-/healthy', 'read', 'ignored', healthyRoute),
    route('GET', '/-/ready', 'read', 'ignored', readyRoute(parts)),
    route('POST', '/-/reload', 'write', 'ignored', reloadRoute(parts)),
    route('GET', '/api/v1/routers', 'read', 'ignored', routersRoute(parts)),
    route('GET', '/api/v1/models', 'read', 'ignored', modelsRoute(parts)),
    route('GET', '/api/v1/events', 'read', 'ignored', eventsRoute(parts)),
    route('GET', '/api/v1/hold', 'read', 'ignored', holdsRoute(parts)),
    route('PUT', '/api/v1/hold', 'write', 'json', placeHoldRoute(parts)),
    route('DELETE', '/api/v1/hold', 'write', 'none', releaseHoldRoute(parts)),
    route('GET', '/api/v1/gate', 'read', 'ignored', gateRoute(parts)),
    route('POST', '/api/v1/usage', 'write', 'json', usageRoute(parts)),
    route('POST', '/api/v1/unload', 'write', 'json', unloadRoute(parts, unloadBody)),
    route('POST', '/api/v1/unload-all', 'write', 'json', unloadAll),
    route('POST', '/unload-all', 'write', 'json', unloadAll),
    route('POST', '/api/v1/alertmanager', 'alerts', 'json', alertmanager),
    route('POST', '/webhook/alertmanager', 'alerts', 'json', alertmanager),
    route('GET', '/api/v1/operations', 'read', 'ignored', operationsRoute(parts)),
    route('GET', '/api/v1/operations/:id', 'read', 'ignored', operationRoute(parts)),
    route('GET', '/api/v1/openapi.json', 'read', 'ignored', openapiRoute(parts)),
  ];
}

function route(
  method: Route['method'],
  path: string,
  permission: Route['permission'],
  body: Route['body'],
  handler: RequestHandler,
): Route {
  return { method, path, permission, body, handler };
}

export function createApp(parts: AppParts): Express {
  const { auth, log } = parts;
  const routes = routesOf(parts);
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.use((_request, response, next) => {
    response.set({ 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
    next();
  });
  app.use(
    auth.requireRead(routes.filter(({ permission }) => permission === 'alerts').map(({ path }) => path)),
  );
  for (const path of new Set(routes.map((each) => each.path))) {
    const own = routes.filter((each) => each.path === path);
    const served = app.route(path);
    for (const each of own) served[METHODS[each.method]](handlersOf(each, auth));
    served.all(methodNotAllowed(...own.map(({ method }) => method)));
  }
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}

const METHODS = { GET: 'get', POST: 'post', PUT: 'put', DELETE: 'delete' } as const;

function handlersOf(
  { permission, body, handler }: Route,
  { requireWrite }: AppParts['auth'],
): RequestHandler[] {
  if (permission === 'read') return [handler];
  const readBody = body === 'json' ? jsonBody() : withoutBody({ ignored: body === 'ignored' });
  return [requireWrite({ never429: permission === 'alerts' }), readBody, handler];
}
