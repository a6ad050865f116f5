import { STATUSES } from '../../models/feed.ts';
import { LONGEST_WAIT } from '../waiting-room.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Every route by path and method; `telemetryPaths` are the configured ones. */
export function pathsOf(telemetryPaths: readonly string[]): Json {
  const metrics = telemetryPaths.map((path, index) => [path, index === 0 ? METRICS : ENGINE_METRICS]);
  return { ...Object.fromEntries(metrics), ...READS, ...WRITES };
}

// Content

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const content = (type: string, schema: Json = { type: 'string' }) => ({ content: { [type]: { schema } } });
const json = (schema: Json) => content('application/json', schema);
const listOf = (name: string, of: string) =>
  json({ type: 'object', properties: { [name]: { type: 'array', items: ref(of) } }, required: [name] });
const problemOf = (description: string) => ({
  description,
  ...content('application/problem+json', ref('Problem')),
});

// Parameters and headers

const query = (name: string, schema: Json, description: string): Json => {
  return { name, in: 'query', schema, description };
};
const ROUTER_NAME = query('router', { type: 'string', minLength: 1 }, 'The name of a router.');
const WAIT = (end: string) =>
  query(
    'wait',
    { type: 'number', minimum: 0, maximum: LONGEST_WAIT },
    `Seconds after which to answer at the latest, if not earlier because ${end}. Default: 0.`,
  );
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
  TooLarge: problemOf('The body is larger than 1 MiB, or than 8 MiB for a notification.'),
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

/** What to do next with what an answer has by its `id`. */
const nextById = (...operationIds: string[]) => ({
  links: Object.fromEntries(
    operationIds.map((operationId) => [
      operationId,
      { operationId, parameters: { id: '$response.body#/id' } },
    ]),
  ),
});

// Reads

interface Extra {
  responses?: Json;
  parameters?: Json[];
}

function read(tag: string, operationId: string, summary: string, answer: Json, more: Extra = {}): Json {
  const responses = { '200': { description: 'OK', ...answer }, ...REFUSALS, ...more.responses };
  return { get: { operationId, summary, tags: [tag], ...more, responses } };
}

const html = content('text/html');
const plain = content('text/plain');
const samples = { content: { ...plain.content, ...content('application/openmetrics-text').content } };
const METRICS = read('metrics', 'metrics', 'Metrics for Prometheus, as Accept prefers.', samples);
const ENGINE_METRICS = read('metrics', 'engineMetrics', 'Metrics of the models themselves.', samples);

const READS = {
  '/': read('page', 'page', 'Web page with all routers and models.', html, {
    parameters: [query('router', { type: 'string' }, 'Only this router.')],
    responses: { '304': { description: 'The page is the one in If-None-Match.' }, ...NO_ROUTER },
  }),
  '/style.css': read('page', 'style', 'CSS of the page.', content('text/css')),
  '/page.js': read('page', 'script', 'Script of the page.', content('text/javascript')),
  '/api/v1/routers': read('state', 'listRouters', 'List routers.', listOf('routers', 'Router')),
  '/api/v1/models': read('state', 'listModels', 'List models.', listOf('models', 'Model'), {
    parameters: [
      query('router', { type: 'string' }, 'Only models of this router.'),
      query('status', { enum: STATUSES }, 'Only models with this status.'),
    ],
  }),
  '/api/v1/memory': read(
    'state',
    'getMemory',
    "The last measurement of this machine's memory: per GPU, model, router, and the largest other processes.",
    json(ref('Memory')),
  ),
  '/api/v1/events': read(
    'state',
    'followEvents',
    'Stream every transition from now on as server-sent events.',
    content('text/event-stream'),
    { responses: { '503': problemOf('Too many event streams, or the service is shutting down.') } },
  ),
  '/api/v1/operations': read(
    'unload',
    'listOperations',
    'List running operations and the last hundred that finished, the newest first.',
    listOf('operations', 'Operation'),
    {
      parameters: [
        query(
          'limit',
          { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
          'Return at most this number. Default: all.',
        ),
        query('before', { type: 'string', minLength: 1 }, 'Return the operations after this id in the list.'),
      ],
      responses: { '404': problemOf('The operation in before is not in the list.') },
    },
  ),
  '/api/v1/operations/{id}': read('unload', 'getOperation', 'Get an operation.', json(ref('Operation')), {
    parameters: [ID],
    responses: { '404': problemOf('No running operation and none of the last hundred has this id.') },
  }),
  '/api/v1/gate': {
    get: {
      operationId: 'askGate',
      summary: 'Whether a reverse proxy or filter may pass a request to a router now.',
      tags: ['hold'],
      parameters: [
        query('router', { type: 'string' }, 'The name of a router. May be left out when there is only one.'),
        query('model', { type: 'string' }, 'A loaded model passes during a hold: it needs no more memory.'),
        WAIT('the request may pass'),
      ],
      responses: {
        '204': { description: 'Pass the request.' },
        ...REFUSALS,
        ...NO_ROUTER,
        '503': { ...problemOf('The memory of the router is held.'), headers: RETRY_AFTER },
      },
    },
  },
  '/api/v1/openapi.json': read('service', 'openapi', 'This document.', json({ type: 'object' })),
  '/-/healthy': read(
    'service',
    'healthy',
    'Liveness: the process answers, in any state of its routers.',
    plain,
  ),
  '/-/ready': read('service', 'ready', 'Readiness: every router has been listed once.', plain, {
    responses: { '503': problemOf('Starting or shutting down.') },
  }),
};

// Writes

function write(tag: string, operationId: string, summary: string, body: Json | undefined, responses: Json) {
  const refusals = body === undefined ? WRITE_REFUSALS : BODY_REFUSALS;
  const requestBody = body && { required: true, ...json(body) };
  return { operationId, summary, tags: [tag], requestBody, responses: { ...refusals, ...responses } };
}

const reported = (description: string) => ({
  description,
  headers: LOCATION,
  ...json(ref('Operation')),
  ...nextById('getOperation'),
});

function unload(operationId: string, summary: string, body: string) {
  const responses = {
    '200': reported('Finished: see the report.'),
    '202': reported('In progress.'),
    '404': problemOf('No router or model has this name. Nothing was unloaded.'),
    '409': problemOf(
      'gpus or until_ratio needs GPU memory that is not measured, or there is no such GPU. Nothing was unloaded.',
    ),
    '502': reported('No model could be unloaded: see the report.'),
    '503': {
      description: 'Too many other requests wait for the router, or too many passwords are being checked.',
      headers: { ...RETRY_AFTER, ...LOCATION },
      content: { ...json(ref('Operation')).content, ...problemOf('').content },
    },
  };
  return {
    ...write('unload', operationId, summary, ref(body), responses),
    description:
      'Unloads on all routers, and all models of a router, at the same time. A model counts as unloaded when the ' +
      'router has confirmed that it is gone. A request that a running operation already covers joins that ' +
      'operation. Operations continue when the client disconnects.',
    requestBody: { required: body === 'UnloadRequest', ...json(ref(body)) },
  };
}

const LOAD = {
  ...write('load', 'load', 'Load the named models.', ref('LoadRequest'), {
    '200': reported('Finished: see the report.'),
    '202': reported('In progress.'),
    '404': problemOf('No router or model has this name. Nothing was loaded.'),
    '409': problemOf('The server has no order to load a model (llama-swap). Nothing was loaded.'),
    '502': reported('No model could be loaded: see the report.'),
    '503': {
      description:
        'The memory of the router is held, too many other requests wait for it, or too many passwords are being checked.',
      headers: { ...RETRY_AFTER, ...LOCATION },
      content: { ...json(ref('Operation')).content, ...problemOf('').content },
    },
  }),
  description:
    'Loads the models of a router one after the other. A model counts as loaded when the router has confirmed it. A ' +
    'full router evicts a model for it, which the report names; a busy model is never evicted. Operations continue ' +
    'when the client disconnects.',
};

/** Read loosely: malformed alerts are left out, and the answer says so. */
const NOTIFICATION = {
  type: 'object',
  properties: {
    version: { enum: ['4', '1'], description: "Alertmanager's, or Grafana's." },
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

function notification(operationId: string) {
  const summary =
    'Webhook for Alertmanager and Grafana: firing alerts that match alerts.matchers start an unload.';
  const report = json(ref('AlertReport'));
  const { responses, ...rest } = write('unload', operationId, summary, NOTIFICATION, {
    '200': { description: 'Finished, nothing to do, or refused: see the reason.', ...report },
    '202': { description: 'In progress.', ...report },
    '503': problemOf('A router could not be reached or refused. Send the notification again.'),
  });
  const { '429': _, ...answers } = responses;
  return { ...rest, responses: answers };
}

const aHold = (description: string) => ({ description, ...json(ref('Hold')) });
const NO_HOLD = { '404': problemOf('No hold has this id.') };

const WRITES = {
  '/api/v1/load': { post: LOAD },
  '/api/v1/unload': { post: unload('unload', 'Unload the named models.', 'UnloadRequest') },
  '/api/v1/unload-all': {
    post: unload('unloadAll', 'Unload all models in memory, or those that match.', 'UnloadAllRequest'),
  },
  '/unload-all': { post: unload('unloadAllAlias', 'Alias of /api/v1/unload-all.', 'UnloadAllRequest') },
  '/api/v1/alertmanager': { post: notification('alertmanager'), put: notification('alertmanagerPut') },
  '/webhook/alertmanager': {
    post: notification('alertmanagerAlias'),
    put: notification('alertmanagerAliasPut'),
  },
  '/webhook/grafana': { post: notification('grafana'), put: notification('grafanaPut') },
  '/api/v1/usage': {
    post: write(
      'state',
      'reportUsage',
      'Report which model a client is about to request, so that reloads have a cause.',
      ref('UsageReports'),
      { '200': { description: 'Accepted and ignored reports.', ...json(ref('UsageAnswer')) } },
    ),
  },
  '/api/v1/holds': {
    ...read('hold', 'listHolds', 'List the holds that stand.', listOf('holds', 'Hold'), {
      parameters: [ROUTER_NAME],
      responses: NO_ROUTER,
    }),
    post: write('hold', 'placeHold', 'Free the memory of routers and keep it free.', ref('HoldRequest'), {
      '201': {
        ...aHold('The hold: active, or preparing when that takes longer than the answer may.'),
        headers: { Location: { schema: { type: 'string' }, description: 'The URL of the hold.' } },
        ...nextById('getHold', 'renewHold', 'releaseHold'),
      },
      ...NO_ROUTER,
      '409': problemOf(
        'need_bytes needs GPU memory that is not measured, or no GPU is so large; or restore needs a server that loads models on order. No hold was placed.',
      ),
      '502': aHold('The memory could not be freed: the hold has failed, and why.'),
    }),
  },
  '/api/v1/holds/{id}': {
    ...read(
      'hold',
      'getHold',
      'A hold that stands, or one of the last hundred that ended.',
      json(ref('Hold')),
      {
        parameters: [ID, WAIT('the hold is not preparing any more')],
        responses: NO_HOLD,
      },
    ),
    patch: {
      ...write('hold', 'renewHold', 'Change the end of a hold.', ref('HoldRenewal'), {
        '200': aHold('The hold.'),
        ...NO_HOLD,
        '409': problemOf('The hold does not stand any more.'),
      }),
      parameters: [ID],
    },
    delete: {
      ...write(
        'hold',
        'releaseHold',
        'End a hold. Ends no other hold, and does nothing a second time.',
        undefined,
        {
          '200': aHold('The hold.'),
          ...NO_HOLD,
        },
      ),
      parameters: [ID],
    },
  },
  '/-/reload': {
    post: write('service', 'reload', 'Reload the configuration.', undefined, {
      '200': { description: 'Reloaded.', ...plain },
      '413': BODY_REFUSALS['413'],
    }),
  },
};
