import { STATUSES } from '../../models/feed.ts';
import {
  content,
  ID,
  type Json,
  json,
  listOf,
  NO_ROUTER,
  problemOf,
  query,
  RETRY_AFTER,
  read,
  ref,
  waitUntil,
} from './parts.ts';
import { WRITES } from './writes.ts';

/** Every route by path and method; `telemetryPaths` are the configured ones. */
export function pathsOf(telemetryPaths: readonly string[]): Json {
  const metrics = telemetryPaths.map((path, index) => [path, index === 0 ? METRICS : ENGINE_METRICS]);
  return { ...Object.fromEntries(metrics), ...READS, ...WRITES };
}

const plain = content('text/plain');
const samples = { content: { ...plain.content, ...content('application/openmetrics-text').content } };
const METRICS = read('metrics', 'metrics', 'Metrics for Prometheus, as Accept prefers.', samples);
const ENGINE_METRICS = read('metrics', 'engineMetrics', 'Metrics of the models themselves.', samples);

const READS = {
  '/': read('page', 'page', 'Web page with all routers and models.', content('text/html'), {
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
  '/api/v1/gate': read(
    'hold',
    'askGate',
    'Whether a reverse proxy or filter may pass a request to a router now.',
    undefined,
    {
      parameters: [
        query('router', { type: 'string' }, 'The name of a router. May be left out when there is only one.'),
        query('model', { type: 'string' }, 'A loaded model passes during a hold: it needs no more memory.'),
        waitUntil('the request may pass'),
      ],
      responses: {
        '204': { description: 'Pass the request.' },
        ...NO_ROUTER,
        '503': problemOf('The memory of the router is held.', RETRY_AFTER),
      },
    },
  ),
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
