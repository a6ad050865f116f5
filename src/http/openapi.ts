import { z } from 'zod';
import { STATUSES } from '../models/status.ts';
import { operation } from '../unload/report.ts';
import { problem } from './problem.ts';
import { holdBody } from './routes/hold.ts';
import { unloadAllBody, unloadBody } from './unload-body.ts';
import { holdView, modelView, routerView } from './views.ts';

type Json = Readonly<Record<string, unknown>>;

/** Everything that can be named in the document, by the names that the schemas carry. */
const SCHEMAS = { routerView, modelView, holdView, operation, unloadBody, unloadAllBody, holdBody, problem };

/** `GET /api/v1/openapi.json`: the interface as OpenAPI 3.1, made from the schemas that check it. */
export function openapi(version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'llama-router-exporter',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'What is believed of llama.cpp routers and their models, and unloading with care. JSON is snake_case, ' +
        'times are ISO 8601, null is not known, errors are problems (RFC 9457).',
    },
    servers: [{ url: '/' }],
    paths: PATHS,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'One of auth.tokens.' },
        user: { type: 'http', scheme: 'basic', description: 'A user of the web configuration file.' },
      },
    },
  };
}

/** The schemas with everything they are made of; what a request may leave out is not required of it. */
function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const schema of Object.values(SCHEMAS)) collect(schema, registry);
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
    target: 'draft-2020-12',
  });
  return Object.fromEntries(
    Object.entries(schemas)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}

/** A schema and all that it is made of, as far as they have names. */
function collect(schema: z.core.$ZodType, registry: z.core.$ZodRegistry<{ id: string }>): void {
  const id = z.globalRegistry.get(schema)?.id;
  if (id !== undefined) registry.add(schema, { ...z.globalRegistry.get(schema), id });
  for (const inner of partsOf(schema)) collect(inner, registry);
}

function partsOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) return Object.values(schema.shape);
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodUnion) return [...schema.options];
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional) return [schema.unwrap()];
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) return [schema.unwrap()];
  return [];
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Json) => ({ content: { 'application/json': { schema } } });
const listOf = (name: string, of: string) =>
  json({ type: 'object', properties: { [name]: { type: 'array', items: ref(of) } }, required: [name] });
const problemOf = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
});
const query = (name: string, schema: Json, description: string) => ({
  name,
  in: 'query',
  schema,
  description,
});

const REFUSALS = {
  '400': problemOf('The request cannot be understood: the detail says what is wrong with it.'),
  '401': problemOf('No credentials, or wrong ones.'),
  '403': problemOf('These credentials, this machine or this page may not do this.'),
  '429': problemOf('Too many wrong credentials came from there.'),
};
const BODY_REFUSALS = {
  ...REFUSALS,
  '413': problemOf('The body is larger than 1 MiB.'),
  '415': problemOf('The body does not call itself JSON.'),
};
const SECURITY = [{ token: [] }, { user: [] }, {}];
const RETRY_AFTER = {
  'Retry-After': { schema: { type: 'integer', minimum: 1 }, description: 'In seconds.' },
};

const unloads = (operationId: string, summary: string, body: string) => ({
  operationId,
  summary,
  description:
    'All routers at once, all models of a router at once. A model counts as unloaded when it was seen to be gone. ' +
    'Whoever asks for what is under way already gets the same operation. It goes on when the caller hangs up.',
  tags: ['unload'],
  security: SECURITY,
  requestBody: { required: body === 'UnloadRequest', ...json(ref(body)) },
  responses: {
    '200': { description: 'It is done: the report says what came of it.', ...json(ref('Operation')) },
    '202': {
      description: 'It is under way; Location tells where it can be watched.',
      headers: { Location: { schema: { type: 'string' } } },
      ...json(ref('Operation')),
    },
    ...BODY_REFUSALS,
    '404': problemOf('There is no such router, or no such model on any of them. Nothing was unloaded.'),
    '502': { description: 'Nothing could be unloaded: the report says why.', ...json(ref('Operation')) },
    '503': {
      description: 'Not now: too many other requests wait on the router, or the service shuts down.',
      headers: RETRY_AFTER,
      content: {
        'application/json': { schema: ref('Operation') },
        'application/problem+json': { schema: ref('Problem') },
      },
    },
  },
});

const notification = (operationId: string) => ({
  operationId,
  summary: "Alertmanager's webhook, version 4: firing alerts that match alerts.matchers set off an unload.",
  tags: ['unload'],
  security: SECURITY,
  requestBody: {
    required: true,
    ...json({
      type: 'object',
      properties: {
        version: { const: '4' },
        receiver: { type: 'string' },
        groupKey: { type: 'string' },
        alerts: { type: 'array', items: { type: 'object' } },
      },
      required: ['version', 'alerts'],
    }),
  },
  responses: {
    '200': {
      description: 'Settled: done, or nothing to do, or refused, and why.',
      ...json({ type: 'object' }),
    },
    '202': { description: 'Under way.', ...json({ type: 'object' }) },
    ...BODY_REFUSALS,
    '503': problemOf('A router could not be asked: to be sent again.'),
  },
});

const ROUTER_NAME = query('router', { type: 'string', minLength: 1 }, 'The name of a router.');
const NO_ROUTER = { '404': problemOf('There is no such router.') };

const PATHS: Json = {
  '/api/v1/routers': {
    get: {
      operationId: 'listRouters',
      summary: 'What is believed of each router.',
      tags: ['belief'],
      responses: { '200': { description: 'All routers.', ...listOf('routers', 'Router') } },
    },
  },
  '/api/v1/models': {
    get: {
      operationId: 'listModels',
      summary: 'What is believed of each model.',
      tags: ['belief'],
      parameters: [
        query('router', { type: 'string' }, 'Only of this router.'),
        query('status', { enum: STATUSES }, 'Only in this status.'),
      ],
      responses: {
        '200': { description: 'The models.', ...listOf('models', 'Model') },
        '400': problemOf('A parameter is not known, or its value.'),
      },
    },
  },
  '/api/v1/events': {
    get: {
      operationId: 'followEvents',
      summary: 'Every transition from now on, as server-sent events without an end.',
      tags: ['belief'],
      responses: {
        '200': {
          description: 'The stream.',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        '503': problemOf('Too many listeners, or the service shuts down.'),
      },
    },
  },
  '/api/v1/unload': { post: unloads('unload', 'Unloads named models.', 'UnloadRequest') },
  '/api/v1/unload-all': {
    post: unloads('unloadAll', 'Unloads every model that is in memory, or what matches.', 'UnloadAllRequest'),
  },
  '/unload-all': { post: unloads('unloadAllAlias', 'The same, under a short name.', 'UnloadAllRequest') },
  '/api/v1/alertmanager': { post: notification('alertmanager') },
  '/webhook/alertmanager': { post: notification('alertmanagerAlias') },
  '/api/v1/operations': {
    get: {
      operationId: 'listOperations',
      summary: 'What is under way and the last hundred that ended, the newest first.',
      tags: ['unload'],
      responses: { '200': { description: 'The operations.', ...listOf('operations', 'Operation') } },
    },
  },
  '/api/v1/operations/{id}': {
    get: {
      operationId: 'getOperation',
      summary: 'One operation, as it is at this moment.',
      tags: ['unload'],
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
      responses: {
        '200': { description: 'The operation.', ...json(ref('Operation')) },
        '404': problemOf('There is no such operation, or not any more.'),
      },
    },
  },
  '/api/v1/hold': {
    get: {
      operationId: 'listHolds',
      summary: 'The holds: routers whose memory is kept free for a while.',
      tags: ['hold'],
      parameters: [ROUTER_NAME],
      responses: {
        '200': { description: 'The holds.', ...listOf('holds', 'Hold') },
        '400': problemOf('A parameter is not known.'),
        ...NO_ROUTER,
      },
    },
    put: {
      operationId: 'placeHold',
      summary: 'Keeps the memory of routers free for a while.',
      tags: ['hold'],
      security: SECURITY,
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
      security: SECURITY,
      parameters: [ROUTER_NAME],
      responses: {
        '200': { description: 'The holds that ended.', ...listOf('released', 'Hold') },
        ...REFUSALS,
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
        ROUTER_NAME,
        query('model', { type: 'string' }, 'One that is loaded passes: it needs no more memory.'),
      ],
      responses: {
        '204': { description: 'It may.' },
        '400': problemOf('Which router is meant is not clear.'),
        ...NO_ROUTER,
        '503': { ...problemOf('Its memory is held.'), headers: RETRY_AFTER },
      },
    },
  },
  '/api/v1/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document.',
      tags: ['service'],
      responses: { '200': { description: 'OpenAPI 3.1.', ...json({ type: 'object' }) } },
    },
  },
  '/-/healthy': {
    get: {
      operationId: 'healthy',
      summary: 'This process answers. A dead router does not make it unhealthy.',
      tags: ['service'],
      responses: {
        '200': { description: 'It does.', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
  '/-/ready': {
    get: {
      operationId: 'ready',
      summary: 'Every router has been asked once.',
      tags: ['service'],
      responses: {
        '200': { description: 'They have.', content: { 'text/plain': { schema: { type: 'string' } } } },
        '503': problemOf('Starting, or shutting down.'),
      },
    },
  },
  '/-/reload': {
    post: {
      operationId: 'reload',
      summary: 'Reads the configuration anew.',
      tags: ['service'],
      security: SECURITY,
      responses: {
        '200': { description: 'It is in force.', content: { 'text/plain': { schema: { type: 'string' } } } },
        ...REFUSALS,
      },
    },
  },
};
