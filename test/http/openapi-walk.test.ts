import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { onWall } from '../../src/hold/hold.ts';
import { routesOf } from '../../src/http/app.ts';
import { openapi } from '../../src/http/openapi/openapi.ts';
import { aHold } from '../support/a-hold.ts';
import { anAccess, aToken, bearer } from '../support/access.ts';
import { rightObjects, type Schema, wrongObjects } from '../support/by-schema.ts';
import type { Received, Sent } from '../support/kept-alive.ts';
import { serveApp } from '../support/served-app.ts';

/** Walks over the document that is served: what it says is so, and what it does not say is not. */

interface Answer {
  $ref?: string;
  content?: Record<string, unknown>;
  headers?: Record<string, unknown>;
}
interface Operation {
  parameters?: { name: string; in: string; schema: Schema }[];
  requestBody?: {
    required: boolean;
    content: { 'application/json': { schema: Schema & { $ref?: string } } };
  };
  responses: Record<string, Answer>;
}
const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'options', 'trace'];
const HOLD = '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';
const document = JSON.parse(JSON.stringify(openapi('1.2.3')));
const paths: Record<string, Record<string, Operation>> = document.paths;
const OPERATIONS = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);
const WITH_BODY = OPERATIONS.filter(({ operation }) => operation.requestBody);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'document', ...document });

let app: Awaited<ReturnType<typeof serveApp>>;
const access = anAccess([aToken('operator'), aToken('curious', { dry_run: true })]);
beforeAll(async () => {
  app = await serveApp({ auth: access.auth });
});
afterAll(async () => {
  await app.close();
});

const sent = (path: string, method: string, body?: unknown): Sent => ({
  method: method.toUpperCase(),
  path: path.replace('{id}', HOLD),
  headers: bearer('operator'),
  ...(body !== undefined && { type: 'application/json', body: Buffer.from(JSON.stringify(body)) }),
});

/** The answer while every model is loaded and one hold stands, which would refuse each load. */
function ask(request: Sent): Promise<Received> {
  app.turn('back');
  const { holds } = app.parts;
  for (const { id } of holds.all()) holds.release(id, 'test');
  const standing = aHold(app.clock.now() + 60_000, { id: HOLD, routers: ['attic'] });
  if (request.path !== '/api/v1/load') holds.restore([onWall(standing, app.clock)]);
  return app.ask(request);
}

/** What of an answer the document does not say; nothing, when it conforms. */
function undocumented(path: string, method: string, { status, headers, body }: Received): string[] {
  const at = ['paths', path, method, 'responses', String(status)];
  const answer = paths[path]?.[method]?.responses[status];
  if (answer === undefined) return [`${status}: ${body.toString().slice(0, 300)}`];
  const pointer = answer.$ref ? answer.$ref.slice(1) : pointerTo(at);
  const { content = {}, headers: told = {} } = answer.$ref ? named(answer.$ref) : answer;
  const missing = Object.keys(told).filter((name) => headers[name.toLowerCase()] === undefined);
  const [type = ''] = String(headers['content-type'] ?? '').split(';');
  if (Object.keys(content).length === 0) return [...missing, ...(body.length > 0 ? ['a body'] : [])];
  if (!(type in content)) return [...missing, `its type ${type}`];
  const value = /json$/.test(type) ? JSON.parse(body.toString()) : body.toString();
  return [...missing, ...faultsAt(`${pointer}${pointerTo(['content', type, 'schema'])}`, value)];
}

function named(ref: string): Answer {
  return document.components.responses[ref.split('/').at(-1) ?? ''];
}

function faultsAt(pointer: string, value: unknown): string[] {
  const validate = ajv.getSchema(`document#${pointer}`) ?? ajv.compile({ $ref: `document#${pointer}` });
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function pointerTo(keys: string[]): string {
  return keys
    .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
}

function bodySchema(operation: Operation): Schema {
  const schema = operation.requestBody?.content['application/json'].schema ?? {};
  return schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] : schema;
}

const bodyPointer = (path: string, method: string) =>
  pointerTo(['paths', path, method, 'requestBody', 'content', 'application/json', 'schema']);

/** What there is, and a time that is still to come. */
const KNOWN = {
  routers: ['attic'],
  models: ['qwen'],
  keep: ['bge'],
  until: '2023-11-14T23:00:00+00:00',
  alerts: [],
};

it('is served as it is generated', async () => {
  const received = await ask(sent('/api/v1/openapi.json', 'get'));
  expect(JSON.parse(received.body.toString())).toEqual(document);
});

it('describes exactly the routes that are served', () => {
  const served = routesOf(app.parts).map(
    ({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`,
  );
  expect(served.sort()).toEqual(OPERATIONS.map(({ method, path }) => `${method} ${path}`).sort());
});

it('names paths of metrics as they are configured', () => {
  const { paths: configured } = openapi('1', ['/m', '/m/engine']) as { paths: object };
  expect(Object.keys(configured)).toEqual(expect.arrayContaining(['/m', '/m/engine']));
  expect(configured).not.toHaveProperty('/metrics');
});

it('has unique operation ids and no redundant patterns', () => {
  const ids = OPERATIONS.map(({ operation }) => (operation as { operationId?: string }).operationId);
  expect(new Set(ids).size).toBe(OPERATIONS.length);
  expect(JSON.stringify(document)).not.toMatch(/"pattern":"\^\(\?:|"readOnly"/);
});

const READS = OPERATIONS.filter(({ method, path }) => method === 'get' && !path.endsWith('/events'));

it.each(READS)('GET $path is answered as the document says', async ({ path }) => {
  expect(undocumented(path, 'get', await ask(sent(path, 'get')))).toEqual([]);
});

const QUERIES = OPERATIONS.flatMap(({ path, method, operation: { parameters = [] } }) =>
  parameters.filter((each) => each.in === 'query').map((parameter) => ({ path, method, ...parameter })),
);

it.each(QUERIES)(
  '$method $path?$name is answered as the document says',
  async ({ path, method, name, schema }) => {
    for (const value of schema.enum ?? ['attic', 'unknown', 'qwen']) {
      const received = await ask(sent(`${path}?${name}=${value}`, method));
      expect(undocumented(path, method, received)).toEqual([]);
    }
  },
);

it.each(QUERIES.filter(({ name }) => name !== 'model'))(
  '$method $path?$name is refused when it is wrong',
  async ({ path, method, name, schema }) => {
    const wrong = [
      `${name}=attic&${name}=cellar`,
      ...((schema.enum ?? schema.minLength) ? [`${name}=`] : []),
    ];
    for (const query of wrong) {
      const received = await ask(sent(`${path}?${query}`, method));
      expect([query, received.status, undocumented(path, method, received)]).toEqual([query, 400, []]);
    }
  },
);

it('GET /api/v1/events is answered as the document says', async () => {
  const caller = new AbortController();
  const { status, headers } = await fetch(`http://127.0.0.1:${app.port}/api/v1/events`, {
    signal: caller.signal,
  });
  caller.abort();
  expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  expect(paths['/api/v1/events']?.get?.responses['200']?.content).toHaveProperty('text/event-stream');
});

describe.each(WITH_BODY)('$method $path', ({ path, method, operation }) => {
  const schema = bodySchema(operation);

  const pointer = bodyPointer(path, method);
  const allowed = rightObjects(schema, KNOWN).filter(([, body]) => faultsAt(pointer, body).length === 0);

  it.each(allowed)('accepts %s', async (_, body) => {
    const received = await ask(sent(path, method, body));
    expect(undocumented(path, method, received)).toEqual([]);
    // Valid, but impossible here: GPU memory is not measured, and no model stops at once. qwen is loaded already.
    const isTooShort = body.timeout_seconds === 0 && path !== '/api/v1/load';
    const impossible = 'until_ratio' in body || 'need_bytes' in body;
    const statuses = impossible ? [409] : isTooShort ? [502] : [200, 201, 202];
    expect(statuses).toContain(received.status);
  });

  it.each(wrongObjects(schema, KNOWN))('refuses %s', async (_, body) => {
    expect(faultsAt(bodyPointer(path, method), body)).not.toEqual([]);
    const received = await ask(sent(path, method, body));
    expect([received.status, undocumented(path, method, received)]).toEqual([400, []]);
  });

  it.each((schema.examples ?? []).map((example) => [example]))('does the example %j', async (example) => {
    expect(faultsAt(bodyPointer(path, method), example)).toEqual([]);
    const received = await ask(sent(path, method, example));
    expect([200, 201]).toContain(received.status);
    expect(undocumented(path, method, received)).toEqual([]);
  });

  it(`${operation.requestBody?.required ? 'requires a' : 'needs no'} body`, async () => {
    const received = await ask(sent(path, method));
    expect(received.status).toBe(operation.requestBody?.required ? 400 : 200);
    expect(undocumented(path, method, received)).toEqual([]);
  });
});

const POSTS = OPERATIONS.filter(({ method }) => method !== 'get');

it.each(POSTS)('$method $path refuses as the document says', async ({ path, method, operation }) => {
  const right = sent(path, method, operation.requestBody && { models: ['qwen'] });
  const refused: [number, Sent][] = [
    [401, { ...right, headers: {} }],
    [403, { ...right, headers: { ...bearer('operator'), Origin: 'https://evil.example' } }],
    [400, { ...right, path: `${path}?token=x` }],
    ...(operation.requestBody
      ? ([
          [415, { ...right, type: 'text/plain' }],
          [
            413,
            { ...right, body: Buffer.alloc((/alertmanager|grafana/.test(path) ? 8 : 1) * 2 ** 20 + 1, ' ') },
          ],
          [400, { ...right, body: Buffer.from('{') }],
        ] satisfies [number, Sent][])
      : []),
  ];
  for (const [status, request] of refused) {
    const received = await ask(request);
    expect([received.status, undocumented(path, method, received)]).toEqual([status, []]);
  }
});

describe.each(['/api/v1/unload', '/api/v1/unload-all'])(
  'POST %s is answered as the document says',
  (path) => {
    const unload = (body: object = {}) => app.ask(sent(path, 'post', { models: ['qwen'], ...body }));
    const expectStatus = async (status: number, asked: Promise<Received>) => {
      const received = await asked;
      expect([received.status, undocumented(path, 'post', received)]).toEqual([status, []]);
      return received;
    };

    it('while it is running, with the URL of the operation', async () => {
      app.turn('back');
      app.turn('busy');
      const { headers } = await expectStatus(202, unload({ wait: false }));
      const watched = await app.ask({ method: 'GET', path: String(headers.location) });
      expect(undocumented('/api/v1/operations/{id}', 'get', watched)).toEqual([]);
      expect(undocumented('/api/v1/operations', 'get', await ask(sent('/api/v1/operations', 'get')))).toEqual(
        [],
      );
      app.turn('calm');
      await app.clock.advance(5000);
    });

    it('when it fails, and when there is no such model', async () => {
      app.turn('back');
      app.turn('stubborn');
      await expectStatus(502, unload());
      await expectStatus(404, unload({ models: ['unknown'] }));
      await expectStatus(404, unload({ routers: ['unknown'] }));
      app.turn('calm');
    });

    it('when the queue is full', async () => {
      app.turn('back');
      app.turn('busy');
      for (let index = 1; index <= 9; index += 1) await unload({ hold_seconds: index, wait: false });
      await expectStatus(503, unload({ routers: ['attic'], models: ['bge'], wait: false }));
      app.turn('calm');
      await app.clock.advance(60_000);
    });
  },
);

it.each(Object.keys(paths))('%s has no other methods', async (path) => {
  const has = Object.keys(paths[path] ?? {});
  for (const method of METHODS.filter((each) => !has.includes(each))) {
    const { status, headers, body } = await ask(sent(path, method));
    expect([method, status, JSON.parse(body.toString()).status]).toEqual([method, 405, 405]);
    const allowed = String(headers.allow).toLowerCase().split(', ');
    expect(allowed.sort()).toEqual([...has].sort());
  }
});

describe('docs/http-api.md', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'http-api.md'), 'utf8');

  it('has a row for every route; the page brings its style and its script', () => {
    const rows = [...text.matchAll(/^\| (`[A-Z]+ \/.*?`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([A-Z]+ [^`]*)`/g)].map(([, route]) => route),
    );
    const routes = OPERATIONS.filter(({ path }) => !['/style.css', '/page.js'].includes(path)).map(
      ({ path, method }) => `${method.toUpperCase()} ${path.replace('{id}', 'ID')}`,
    );
    expect(rows.sort()).toEqual(routes.sort());
  });

  it.each([
    ['Unloading', 'UnloadRequest'],
    ['Loading', 'LoadRequest'],
  ])('%s has a row for every key of a request', (title, schema) => {
    const [, section = ''] = text.split(`\n## ${title}\n`);
    const [table = ''] = section.split('\n## ');
    const rows = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
    expect(rows.sort()).toEqual(Object.keys(document.components.schemas[schema].properties).sort());
  });
});
