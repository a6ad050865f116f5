import { STATUSES } from '../../models/status.ts';
import type { Json } from './schemas.ts';

/** Every route by path and method; `telemetryPaths` are the configured ones. */
export function pathsOf(telemetryPaths: readonly string[]): Json {
  const metrics = telemetryPaths.map((path, index) => [
    path,
    { get: index === 0 ? METRICS : ENGINE_METRICS },
  ]);
  return { ...Object.fromEntries(metrics), ...PAGE, ...STATE, ...UNLOAD, ...HOLD, ...SERVICE };
}

// Content

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const content = (type: string, schema: Json = { type: 'string' }) => ({ content: { [type]: { schema } } });
const json = (schema: Json) => content('application/json', schema);
const listOf = (name: string, of: string) =>
  json({ type: 'object', properties: { [name]: { type: 'array', items: ref(of) } }, required: [name] });
const ok = (description: string, of: Json): Json => ({ description, ...of });
const problemOf = (description: string) => ({
  description,
  ...content('application/problem+json', ref('Problem')),
});

// Parameters and headers

const query = (name: string, schema: Json, description: string): Json => {
  return { name, in: 'query', schema, description };
};
const ROUTER_NAME = query('router', { type: 'string', minLength: 1 }, 'The name of a router.');
const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
const RETRY_AFTER = {
  'Retry-After': { schema: { type: 'integer', minimum: 1 }, description: 'In seconds.' },
};
const LOCATION = { Location: { schema: { type: 'string' }, description: 'The URL of the operation.' } };

// Errors

/** Errors of many routes, named in the components of the document. */
export const RESPONSES = {
  BadRequest: problemOf('The request is malformed, or one of its values is out of range: see the detail.'),
  Unauthorized: {
    ...problemOf('Credentials are missing or wrong.'),
    headers: { 'WWW-Authenticate': { schema: { type: 'string' }, description: 'The accepted schemes.' } },
  },
  Forbidden: problemOf('These credentials, this address or this web page may not do this.'),
  NoRouter: problemOf('No router has this name.'),
  TooLarge: problemOf('The body is larger than 1 MiB.'),
  NoJson: problemOf('The Content-Type is not application/json in UTF-8.'),
  TooMany: {
    ...problemOf('Too many requests, wrong credentials or event streams.'),
    headers: RETRY_AFTER,
  },
  Busy: { ...problemOf('Too many passwords are being checked.'), headers: RETRY_AFTER },
};

const response = (name: keyof typeof RESPONSES) => ({ $ref: `#/components/responses/${name}` });
const NO_ROUTER = { '404': response('NoRouter') };
/** Of every route; for reads only with users or a rate limit in the web configuration file. */
const REFUSALS = {
  '400': response('BadRequest'),
  '401': response('Unauthorized'),
  '429': response('TooMany'),
  '503': response('Busy'),
};
const WRITE_REFUSALS = { ...REFUSALS, '403': response('Forbidden') };
const BODY_REFUSALS = { ...WRITE_REFUSALS, '413': response('TooLarge'), '415': response('NoJson') };

// Routes

function read(
  operationId: string,
  tag: string,
  summary: string,
  answer: Json,
  { responses = {}, ...more }: { responses?: Json; parameters?: Json[] } = {},
): Json {
  return {
    operationId,
    summary,
    tags: [tag],
    ...more,
    responses: { '200': answer, ...REFUSALS, ...responses },
  };
}

const SAMPLES = ok('All samples at this moment.', {
  content: { ...content('text/plain').content, ...content('application/openmetrics-text').content },
});
const METRICS = read(
  'metrics',
  'metrics',
  'Metrics for Prometheus, in the format that Accept prefers.',
  SAMPLES,
);
const ENGINE_METRICS = read('engineMetrics', 'metrics', 'Metrics of the models themselves.', SAMPLES);

const PAGE = {
  '/': {
    get: read(
      'page',
      'page',
      'Web page with all routers and models.',
      ok('The page.', content('text/html')),
      {
        parameters: [query('router', { type: 'string' }, 'Only this router.')],
        responses: { '304': { description: 'The page is the one in If-None-Match.' }, ...NO_ROUTER },
      },
    ),
  },
  '/style.css': {
    get: read('style', 'page', 'CSS of the page.', ok('The CSS.', content('text/css'))),
  },
  '/page.js': {
    get: read('script', 'page', 'Script of the page.', ok('The script.', content('text/javascript'))),
  },
};

const STATE = {
  '/api/v1/routers': {
    get: read(
      'listRouters',
      'state',
      'List routers with their state.',
      ok('All routers.', listOf('routers', 'Router')),
    ),
  },
  '/api/v1/models': {
    get: read(
      'listModels',
      'state',
      'List models with their state.',
      ok('The models.', listOf('models', 'Model')),
      {
        parameters: [
          query('router', { type: 'string' }, 'Only models of this router.'),
          query('status', { enum: STATUSES }, 'Only models with this status.'),
        ],
      },
    ),
  },
  '/api/v1/events': {
    get: read(
      'followEvents',
      'state',
      'Stream every transition from now on as server-sent events.',
      ok('The stream.', content('text/event-stream')),
      { responses: { '503': problemOf('Too many event streams, or the service is shutting down.') } },
    ),
  },
  '/api/v1/usage': {
    post: {
      operationId: 'reportUsage',
      summary: 'Report which model a client is about to request, so that reloads have a cause.',
      tags: ['state'],
      requestBody: { required: true, ...json(ref('UsageReports')) },
      responses: { '200': ok('Accepted and ignored reports.', json(ref('UsageAnswer'))), ...BODY_REFUSALS },
    },
  },
};

const reported = (description: string) => ({ description, headers: LOCATION, ...json(ref('Operation')) });

const unload = (operationId: string, summary: string, body: string) => ({
  operationId,
  summary,
  description:
    'Unloads on all routers, and all models of a router, at the same time. A model counts as unloaded when the router ' +
    'has confirmed that it is gone. A request that a running operation already covers joins that operation. ' +
    'Operations continue when the client disconnects.',
  tags: ['unload'],
  requestBody: { required: body === 'UnloadRequest', ...json(ref(body)) },
  responses: {
    '200': reported('Finished: see the report.'),
    '202': reported('In progress.'),
    ...BODY_REFUSALS,
    '404': problemOf('No router or model has this name. Nothing was unloaded.'),
    '409': problemOf('until_ratio needs measured GPU memory, and none is measured. Nothing was unloaded.'),
    '502': reported('No model could be unloaded: see the report.'),
    '503': {
      description: 'Too many other requests wait for the router, or too many passwords are being checked.',
      headers: { ...RETRY_AFTER, ...LOCATION },
      content: { ...json(ref('Operation')).content, ...problemOf('').content },
    },
  },
});

/** Read loosely: malformed alerts are left out, and the answer says so. */
const NOTIFICATION = {
  type: 'object',
  properties: {
    version: { const: '4' },
    alerts: { type: 'array', description: 'The first thousand are read; malformed alerts are left out.' },
  },
  required: ['version', 'alerts'],
  examples: [
    {
      version: '4',
      alerts: [
        { status: 'firing', labels: { alertname: 'GpuMemoryHigh', action: 'unload' }, annotations: {} },
      ],
    },
  ],
};

const { '429': _, ...NOTIFICATION_REFUSALS } = BODY_REFUSALS;

const notification = (operationId: string) => ({
  operationId,
  summary: "Alertmanager's webhook, version 4: firing alerts that match alerts.matchers start an unload.",
  tags: ['unload'],
  requestBody: { required: true, ...json(NOTIFICATION) },
  responses: {
    '200': ok('Finished, nothing to do, or refused: see the reason.', json(ref('AlertReport'))),
    '202': ok('In progress.', json(ref('AlertReport'))),
    ...NOTIFICATION_REFUSALS,
    '503': problemOf('A router could not be reached or refused. Send the notification again.'),
  },
});

const UNLOAD = {
  '/api/v1/unload': { post: unload('unload', 'Unload the named models.', 'UnloadRequest') },
  '/api/v1/unload-all': {
    post: unload('unloadAll', 'Unload all models in memory, or those that match.', 'UnloadAllRequest'),
  },
  '/unload-all': { post: unload('unloadAllAlias', 'Alias of /api/v1/unload-all.', 'UnloadAllRequest') },
  '/api/v1/alertmanager': { post: notification('alertmanager') },
  '/webhook/alertmanager': { post: notification('alertmanagerAlias') },
  '/api/v1/operations': {
    get: read(
      'listOperations',
      'unload',
      'List running operations and the last hundred that finished, the newest first.',
      ok('The operations.', listOf('operations', 'Operation')),
      {
        parameters: [
          query('limit', { type: 'integer', minimum: 1 }, 'Return at most this number. Default: all.'),
          query(
            'before',
            { type: 'string', minLength: 1 },
            'Return the operations after this id in the list.',
          ),
        ],
        responses: { '404': problemOf('The operation in before is not in the list.') },
      },
    ),
  },
  '/api/v1/operations/{id}': {
    get: read(
      'getOperation',
      'unload',
      'Get an operation, running or finished.',
      ok('The operation.', json(ref('Operation'))),
      {
        parameters: [ID],
        responses: { '404': problemOf('No running operation and none of the last hundred has this id.') },
      },
    ),
  },
};

const HOLD = {
  '/api/v1/hold': {
    get: read('listHolds', 'hold', 'List active holds.', ok('The holds.', listOf('holds', 'Hold')), {
      parameters: [ROUTER_NAME],
      responses: NO_ROUTER,
    }),
    put: {
      operationId: 'placeHold',
      summary: 'Keep the memory of routers free for some time.',
      tags: ['hold'],
      requestBody: { required: true, ...json(ref('HoldRequest')) },
      responses: {
        '200': ok('The active holds of these routers.', listOf('holds', 'Hold')),
        ...BODY_REFUSALS,
        ...NO_ROUTER,
      },
    },
    delete: {
      operationId: 'releaseHold',
      summary: 'Release the hold on a router, or all holds.',
      tags: ['hold'],
      parameters: [ROUTER_NAME],
      responses: {
        '200': ok('The released holds.', listOf('released', 'Hold')),
        ...WRITE_REFUSALS,
        ...NO_ROUTER,
      },
    },
  },
  '/api/v1/gate': {
    get: {
      operationId: 'askGate',
      summary: 'Whether a reverse proxy or filter may pass a request to a router now.',
      tags: ['hold'],
      parameters: [
        query('router', { type: 'string' }, 'The name of a router. May be left out when there is only one.'),
        query('model', { type: 'string' }, 'A loaded model passes during a hold: it needs no more memory.'),
      ],
      responses: {
        '204': { description: 'Pass the request.' },
        ...REFUSALS,
        ...NO_ROUTER,
        '503': { ...problemOf('The memory of the router is held.'), headers: RETRY_AFTER },
      },
    },
  },
};

const SERVICE = {
  '/api/v1/openapi.json': {
    get: read('openapi', 'service', 'This document.', ok('OpenAPI 3.1.', json({ type: 'object' }))),
  },
  '/-/healthy': {
    get: read(
      'healthy',
      'service',
      'Liveness: the process answers, in any state of its routers.',
      ok('Healthy.', content('text/plain')),
    ),
  },
  '/-/ready': {
    get: read(
      'ready',
      'service',
      'Readiness: every router has been listed once.',
      ok('Ready.', content('text/plain')),
      { responses: { '503': problemOf('Starting or shutting down.') } },
    ),
  },
  '/-/reload': {
    post: {
      operationId: 'reload',
      summary: 'Reload the configuration.',
      tags: ['service'],
      responses: {
        '200': ok('Reloaded.', content('text/plain')),
        ...WRITE_REFUSALS,
        '413': BODY_REFUSALS['413'],
      },
    },
  },
};
