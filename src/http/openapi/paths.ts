import { STATUSES } from '../../models/status.ts';
import {
  ACT_REFUSALS,
  BODY_REFUSALS,
  json,
  listOf,
  NO_ROUTER,
  problemOf,
  query,
  REFUSALS,
  RETRY_AFTER,
  ROUTER_NAME,
  ref,
  text,
} from './parts.ts';
import type { Json } from './schemas.ts';

/** Every route; `telemetryPaths` are where Prometheus finds metrics. */
export function pathsOf(telemetryPaths: readonly string[]): Json {
  const metrics = telemetryPaths.map((path, index) => [path, { get: scrape(index) }]);
  return { ...PAGES, ...Object.fromEntries(metrics), ...BELIEF, ...UNLOAD, ...HOLD, ...USAGE, ...SERVICE };
}

const scrape = (index: number) => ({
  operationId: index === 0 ? 'metrics' : 'engineMetrics',
  summary:
    index === 0 ? 'Metrics for Prometheus, in the format that Accept asks for.' : "The models' own metrics.",
  tags: ['metrics'],
  responses: {
    '200': {
      description: 'All samples as they are at this moment.',
      content: {
        ...text('text/plain').content,
        ...text('application/openmetrics-text').content,
      },
    },
    ...REFUSALS,
  },
});

const reading = (operationId: string, tag: string, summary: string, answer: Json, more: Json = {}) => ({
  ...{ operationId, summary, tags: [tag] },
  ...more,
  responses: { '200': answer, ...REFUSALS, ...(more.responses as Json | undefined) },
});

const PAGES = {
  '/': {
    get: reading('page', 'page', 'Routers and models for people.', {
      description: 'A page that needs no script, and is live and can act with one.',
      ...text('text/html'),
    }),
  },
  '/style.css': {
    get: reading('style', 'page', 'How the page looks.', { description: 'Its style.', ...text('text/css') }),
  },
  '/page.js': {
    get: reading('script', 'page', 'What makes the page live.', {
      description: 'Its script.',
      ...text('text/javascript'),
    }),
  },
};

const BELIEF = {
  '/api/v1/routers': {
    get: reading('listRouters', 'belief', 'What is believed of each router.', {
      description: 'All routers.',
      ...listOf('routers', 'Router'),
    }),
  },
  '/api/v1/models': {
    get: reading(
      'listModels',
      'belief',
      'What is believed of each model.',
      { description: 'The models.', ...listOf('models', 'Model') },
      {
        parameters: [
          query('router', { type: 'string' }, 'Only of this router.'),
          query('status', { enum: STATUSES }, 'Only in this status.'),
        ],
      },
    ),
  },
  '/api/v1/events': {
    get: reading(
      'followEvents',
      'belief',
      'Every transition from now on, as server-sent events without an end.',
      { description: 'The stream.', ...text('text/event-stream') },
      { responses: { '503': problemOf('Too many listeners, or the service shuts down.') } },
    ),
  },
};

const LOCATION = { Location: { schema: { type: 'string' }, description: 'Where it can be watched.' } };
const reported = (description: string) => ({ description, headers: LOCATION, ...json(ref('Operation')) });

const unloads = (operationId: string, summary: string, body: string) => ({
  operationId,
  summary,
  description:
    'All routers at once, all models of a router at once. A model counts as unloaded when it was seen to be gone. ' +
    'Whoever asks for what is under way already gets the same operation. It goes on when the caller hangs up.',
  tags: ['unload'],
  requestBody: { required: body === 'UnloadRequest', ...json(ref(body)) },
  responses: {
    '200': reported('It is done: the report says what came of it.'),
    '202': reported('It is under way.'),
    ...BODY_REFUSALS,
    '404': problemOf('There is no such router, or no such model on any of them. Nothing was unloaded.'),
    '409': problemOf('until_ratio was given and GPU memory is not measured. Nothing was unloaded.'),
    '502': reported('Nothing could be unloaded: the report says why.'),
    '503': {
      description: 'Not now: too many other requests wait on the router, or too many passwords are compared.',
      headers: { ...RETRY_AFTER, ...LOCATION },
      content: { ...json(ref('Operation')).content, ...problemOf('').content },
    },
  },
});

const { '429': _, ...NOTIFICATION_REFUSALS } = BODY_REFUSALS;

const notification = (operationId: string) => ({
  operationId,
  summary: "Alertmanager's webhook, version 4: firing alerts that match alerts.matchers set off an unload.",
  tags: ['unload'],
  requestBody: { required: true, ...json(NOTIFICATION) },
  responses: {
    '200': {
      description: 'Settled: done, or nothing to do, or refused, and why.',
      ...json(ref('AlertReport')),
    },
    '202': { description: 'Under way.', ...json(ref('AlertReport')) },
    ...NOTIFICATION_REFUSALS,
    '503': problemOf('A router could not be asked, or refused: to be sent again.'),
  },
});

/** It is read loosely: what is no alert is left out, and the answer says so. */
const NOTIFICATION = {
  type: 'object',
  properties: {
    version: { const: '4' },
    alerts: { type: 'array', description: 'The first thousand are read; what is no alert is left out.' },
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

const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };

const UNLOAD = {
  '/api/v1/unload': { post: unloads('unload', 'Unloads named models.', 'UnloadRequest') },
  '/api/v1/unload-all': {
    post: unloads('unloadAll', 'Unloads every model that is in memory, or what matches.', 'UnloadAllRequest'),
  },
  '/unload-all': { post: unloads('unloadAllAlias', 'The same, under a short name.', 'UnloadAllRequest') },
  '/api/v1/alertmanager': { post: notification('alertmanager') },
  '/webhook/alertmanager': { post: notification('alertmanagerAlias') },
  '/api/v1/operations': {
    get: reading(
      'listOperations',
      'unload',
      'What is under way and the last hundred that ended, the newest first.',
      { description: 'The operations.', ...listOf('operations', 'Operation') },
    ),
  },
  '/api/v1/operations/{id}': {
    get: reading(
      'getOperation',
      'unload',
      'One operation, as it is at this moment.',
      { description: 'The operation.', ...json(ref('Operation')) },
      {
        parameters: [ID],
        responses: { '404': problemOf('There is no such operation, or not any more.') },
      },
    ),
  },
};

const HOLD = {
  '/api/v1/hold': {
    get: reading(
      'listHolds',
      'hold',
      'The holds: routers whose memory is kept free for a while.',
      { description: 'The holds.', ...listOf('holds', 'Hold') },
      { parameters: [ROUTER_NAME], responses: NO_ROUTER },
    ),
    put: {
      operationId: 'placeHold',
      summary: 'Keeps the memory of routers free for a while.',
      tags: ['hold'],
      requestBody: { required: true, ...json(ref('HoldRequest')) },
      responses: {
        '200': { description: 'The holds that are now in force.', ...listOf('holds', 'Hold') },
        ...BODY_REFUSALS,
        ...NO_ROUTER,
      },
    },
    delete: {
      operationId: 'releaseHold',
      summary: 'Ends the hold of a router, or all holds.',
      tags: ['hold'],
      parameters: [ROUTER_NAME],
      responses: {
        '200': { description: 'The holds that ended.', ...listOf('released', 'Hold') },
        ...ACT_REFUSALS,
        ...NO_ROUTER,
      },
    },
  },
  '/api/v1/gate': {
    get: {
      operationId: 'askGate',
      summary: 'Whether a request may go to a router now: for a reverse proxy or a filter.',
      tags: ['hold'],
      parameters: [
        query('router', { type: 'string' }, 'The name of a router; the only one needs none.'),
        query('model', { type: 'string' }, 'One that is loaded passes: it needs no more memory.'),
      ],
      responses: {
        '204': { description: 'It may.' },
        ...REFUSALS,
        ...NO_ROUTER,
        '503': { ...problemOf('Its memory is held.'), headers: RETRY_AFTER },
      },
    },
  },
};

const USAGE = {
  '/api/v1/usage': {
    post: {
      operationId: 'reportUsage',
      summary: 'Tells who is about to ask for which model, so that a reload can name its cause.',
      tags: ['usage'],
      requestBody: { required: true, ...json(ref('UsageReports')) },
      responses: {
        '200': {
          description: 'What was taken, and what is about no model here.',
          ...json(ref('UsageAnswer')),
        },
        ...BODY_REFUSALS,
      },
    },
  },
};

const SERVICE = {
  '/api/v1/openapi.json': {
    get: reading('openapi', 'service', 'This document.', {
      description: 'OpenAPI 3.1.',
      ...json({ type: 'object' }),
    }),
  },
  '/-/healthy': {
    get: reading('healthy', 'service', 'This process answers. A dead router does not make it unhealthy.', {
      description: 'It does.',
      ...text('text/plain'),
    }),
  },
  '/-/ready': {
    get: reading(
      'ready',
      'service',
      'Every router has been asked once.',
      { description: 'They have.', ...text('text/plain') },
      { responses: { '503': problemOf('Starting, or shutting down.') } },
    ),
  },
  '/-/reload': {
    post: {
      operationId: 'reload',
      summary: 'Reads the configuration anew.',
      tags: ['service'],
      responses: {
        '200': { description: 'It is in force.', ...text('text/plain') },
        ...ACT_REFUSALS,
        '413': BODY_REFUSALS['413'],
      },
    },
  },
};
