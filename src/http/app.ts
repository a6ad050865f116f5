import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Exposition, Format } from '../metrics/render.ts';
import type { Usage } from '../models/usage.ts';
import type { Caller } from '../unload/request.ts';
import type { Auth } from './auth/auth.ts';
import { jsonBody, noBody } from './json-body.ts';
import { type PageParts, pageRoute, scriptRoute, styleRoute } from './page/page.ts';
import { methodNotAllowed, notFound, problemHandler } from './problem.ts';
import { type AlertParts, alertmanagerRoute } from './routes/alertmanager.ts';
import { eventsRoute } from './routes/events.ts';
import { gateRoute } from './routes/gate.ts';
import { healthyRoute, readyRoute } from './routes/health.ts';
import { type HoldRules, holdsRoute, placeHoldRoute, releaseHoldRoute } from './routes/hold.ts';
import { metricsRoute } from './routes/metrics.ts';
import { modelsRoute, routersRoute } from './routes/models.ts';
import { openapiRoute } from './routes/openapi.ts';
import { operationRoute, operationsRoute } from './routes/operations.ts';
import { reloadRoute } from './routes/reload.ts';
import { unloadRoute } from './routes/unload.ts';
import { type CountReport, usageRoute } from './routes/usage.ts';
import { unloadAllBody, unloadBody } from './unload-body.ts';

/** What the routes are made of. */
export interface AppParts extends AlertParts {
  scrape(format: Format, budgetMs: number): Promise<Exposition>;
  telemetryPath: string;
  /** The models' own metrics, where they are published on a path of their own. */
  engine?: { telemetryPath: string; scrape(format: Format, budgetMs: number): Promise<Exposition> };
  usage: Usage;
  /** Counts a report of usage. */
  reported: CountReport;
  holds: Holds;
  holdRules(): HoldRules;
  /** What is known of memory on this machine. */
  memory: PageParts['memory'];
  isReady(): boolean;
  /** Who may act, and who may ask at all. */
  auth: Auth;
  /** Reads the configuration anew; `error` says what is wrong with it. */
  reload(caller: Caller): Promise<{ error?: string }>;
  log: Logger;
  version: string;
  clock: Clock;
}

const GATE = '/api/v1/gate';

/** Alertmanager never sends again what was answered by 429. */
const ALERTMANAGER_PATHS = ['/api/v1/alertmanager', '/webhook/alertmanager'];

/**
 * Every route of the service. A plain scrape, which comes all day, and the gate, which a proxy asks before every
 * request of its own, are answered before Express sees them: Express alone takes longer than the whole of either
 * (0.12 of 0.25 ms for a scrape of 1,300 series).
 */
export function createApp(parts: AppParts): RequestListener {
  const app = createRoutes(parts);
  const scrapes = new Map([[parts.telemetryPath, metricsRoute(parts.scrape)]]);
  if (parts.engine) scrapes.set(parts.engine.telemetryPath, metricsRoute(parts.engine.scrape));
  const gate = gateRoute(parts.store, parts.holds, parts.clock);
  const answer: RequestListener = (request, response) => {
    const { method, url = '' } = request;
    const short = method !== 'GET' ? undefined : isGate(url) ? gate : scrapes.get(url);
    if (!short) return app(request, response);
    // The same route stands in Express, with everything that belongs to a failure.
    return attempt(short, request, response, app);
  };
  return parts.auth.guard(answer, ALERTMANAGER_PATHS);
}

function isGate(url: string): boolean {
  return url.startsWith(GATE) && (url.length === GATE.length || url[GATE.length] === '?');
}

async function attempt(
  route: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
  request: IncomingMessage,
  response: ServerResponse,
  otherwise: RequestListener,
): Promise<void> {
  try {
    await route(request, response);
  } catch {
    otherwise(request, response);
  }
}

/** All of them, for those that are answered before Express too. */
export function createRoutes(parts: AppParts): Express {
  const { store, holds, operations, closing, log, auth, clock } = parts;
  const mayAct = auth.mayAct();
  const body = jsonBody();
  const telemetryPaths = [parts.telemetryPath, ...(parts.engine ? [parts.engine.telemetryPath] : [])];
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');

  app.route(parts.telemetryPath).get(metricsRoute(parts.scrape)).all(methodNotAllowed('GET'));
  if (parts.engine) {
    const { telemetryPath, scrape } = parts.engine;
    app.route(telemetryPath).get(metricsRoute(scrape)).all(methodNotAllowed('GET'));
  }
  app.use((_request, response, next) => {
    response.set({ 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
    next();
  });
  app.route('/').get(pageRoute(parts)).all(methodNotAllowed('GET'));
  app.route('/style.css').get(styleRoute).all(methodNotAllowed('GET'));
  app.route('/page.js').get(scriptRoute).all(methodNotAllowed('GET'));
  app.route('/-/healthy').get(healthyRoute).all(methodNotAllowed('GET'));
  app.route('/-/ready').get(readyRoute(parts.isReady)).all(methodNotAllowed('GET'));
  app
    .route('/-/reload')
    .post(mayAct, noBody({ ignored: true }), reloadRoute(parts.reload))
    .all(methodNotAllowed('POST'));
  app.route('/api/v1/routers').get(routersRoute(store, clock)).all(methodNotAllowed('GET'));
  app.route('/api/v1/models').get(modelsRoute(store, clock)).all(methodNotAllowed('GET'));
  app
    .route('/api/v1/events')
    .get(eventsRoute(store.onTransition, clock, closing))
    .all(methodNotAllowed('GET'));
  app
    .route('/api/v1/hold')
    .get(holdsRoute(store, holds, clock))
    .put(mayAct, body, placeHoldRoute(store, holds, parts.holdRules, clock))
    .delete(mayAct, noBody(), releaseHoldRoute(store, holds, clock))
    .all(methodNotAllowed('GET', 'PUT', 'DELETE'));
  const used = usageRoute(parts.usage, parts.reported);
  app.route('/api/v1/usage').post(mayAct, body, used).all(methodNotAllowed('POST'));
  const named = unloadRoute(parts, unloadBody);
  const all = unloadRoute(parts, unloadAllBody);
  app.route('/api/v1/unload').post(mayAct, body, named).all(methodNotAllowed('POST'));
  for (const path of ['/api/v1/unload-all', '/unload-all']) {
    app.route(path).post(mayAct, body, all).all(methodNotAllowed('POST'));
  }
  const alert = alertmanagerRoute(parts);
  for (const path of ALERTMANAGER_PATHS) {
    app
      .route(path)
      .post(auth.mayAct({ never429: true }), body, alert)
      .all(methodNotAllowed('POST'));
  }
  app.route('/api/v1/operations').get(operationsRoute(operations)).all(methodNotAllowed('GET'));
  app.route('/api/v1/operations/:id').get(operationRoute(operations)).all(methodNotAllowed('GET'));
  app
    .route('/api/v1/openapi.json')
    .get(openapiRoute(parts.version, telemetryPaths))
    .all(methodNotAllowed('GET'));
  app
    .route(GATE)
    .get(gateRoute(store, holds, clock))
    .all(methodNotAllowed('GET'));
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}
