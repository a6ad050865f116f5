import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { createApp } from '../../../src/http/app.ts';
import { demandScope, permitOf } from '../../../src/http/auth/permit.ts';
import { jsonBody } from '../../../src/http/body.ts';
import { problemHandler } from '../../../src/http/problem.ts';
import { aLog } from '../../support/a-log.ts';
import { type Access, anAccess, aToken, aWebConfig, basic, bearer } from '../../support/access.ts';
import { appParts } from '../../support/app-parts.ts';
import { aBusyFleet } from '../../support/fleets.ts';

let logged = '';
let reloads = 0;
afterEach(() => {
  logged = '';
  reloads = 0;
});

const log = aLog((line) => (logged += line));

/** The whole service's routes. */
function theApp(access: Access) {
  return supertest(
    createApp(
      appParts(aBusyFleet(), {
        auth: access.auth,
        reload: async () => {
          reloads += 1;
          return {};
        },
        log,
      }),
    ),
  );
}

/** One route that acts, as those of operations are built; it answers with what it was given. */
function anAct(access: Access, options = {}) {
  const app = express();
  app.post('/act', access.auth.requireWrite(options), jsonBody(), (request, response) => {
    const { routers = [], dry_run: dryRun = false } = request.body;
    demandScope(response, { routers, dryRun });
    response.json({ permit: permitOf(response), body: request.body });
  });
  app.use(problemHandler(log));
  return supertest(app);
}

const tokens = () => [
  aToken('operator'),
  aToken('gpus', { routers: ['gpu-*'] }),
  aToken('curious', { dry_run: true }),
];

type Headers = Record<string, string>;

describe.each<[string, () => Access, Headers]>([
  ['without tokens and users', () => anAccess(), {}],
  ['with a right token', () => anAccess(tokens()), bearer('operator')],
  ['with a right password', () => anAccess([], aWebConfig(['alice'])), basic('alice')],
])('a reload %s', (_, access, credentials) => {
  it.each<[string, Headers, number]>([
    ['of a program', {}, 200],
    ['of our own page', { Host: 'localhost:10180', Origin: 'http://localhost:10180' }, 200],
    ['of a page of another site', { Origin: 'https://evil.example' }, 403],
    ['of a page of nowhere', { Origin: 'null' }, 403],
    ['of a form of another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['of a page of another port', { 'Sec-Fetch-Site': 'same-site' }, 403],
  ])('%s', async (__, headers, expected) => {
    const { status } = await theApp(access())
      .post('/-/reload')
      .set({ ...credentials, ...headers });
    expect([status, reloads]).toEqual([expected, expected === 200 ? 1 : 0]);
  });
});

describe('a reload without tokens and users', () => {
  it.each<[string, Headers, string]>([
    ['a name rebound to this machine', { Host: 'evil.example' }, 'not evil.example'],
    ['a proxy', { 'X-Forwarded-For': '10.0.0.1' }, 'a proxy forwarded'],
    ['another proxy', { Via: '1.1 proxy' }, 'a proxy forwarded'],
  ])('is refused to %s', async (_, headers, why) => {
    const access = anAccess();
    const { status, body } = await theApp(access).post('/-/reload').set(headers);
    expect([status, body.title, reloads]).toEqual([403, 'Forbidden', 0]);
    expect(body.detail).toContain(why);
    expect(body.detail).toMatch(
      /give the exporter a token .*auth\.tokens.*LLAMA_ROUTER_EXPORTER_TOKEN_FILE.*Bearer TOKEN/,
    );
    expect(access.refusals).toEqual([
      {
        reason: 'unauthorized',
        caller: { name: 'unknown', address: expect.stringMatching(/127\.0\.0\.1$/) },
        request: 'POST /-/reload',
        why: expect.stringContaining(why),
      },
    ]);
  });

  it('ignores credentials', async () => {
    expect((await theApp(anAccess()).post('/-/reload').set(bearer('operator'))).status).toBe(200);
  });
});

describe('a reload with tokens', () => {
  const BEARER = 'Bearer realm="llama-router-exporter"';

  it.each<[string, Headers, string]>([
    ['no token', {}, 'no credentials were sent'],
    ['a wrong token', { Authorization: 'Bearer token-of-nobody-0123' }, 'unknown token'],
    ['half a token', { Authorization: 'Bearer token-of-operator' }, 'unknown token'],
    [
      'a token without its scheme',
      { Authorization: 'token-of-operator-0123' },
      'the Authorization header is neither Bearer nor Basic',
    ],
    ['a token as password', basic('operator', 'token-of-operator-0123'), 'wrong user or password'],
  ])('is refused with %s, though from this machine', async (_, headers, why) => {
    const access = anAccess(tokens());
    const answer = await theApp(access).post('/-/reload').set(headers);
    expect([answer.status, answer.headers['www-authenticate'], reloads]).toEqual([401, BEARER, 0]);
    expect(JSON.parse(answer.text)).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      detail: `Refused: ${why}.`,
    });
    expect(access.refusals).toMatchObject([{ request: 'POST /-/reload', why }]);
  });

  it('is done for a token through a proxy, by any name of ours', async () => {
    const { status } = await theApp(anAccess(tokens()))
      .post('/-/reload')
      .set({ ...bearer('operator'), Host: 'exporter.example', 'X-Forwarded-For': '10.0.0.1' });
    expect([status, reloads]).toEqual([200, 1]);
  });

  it.each(['gpus', 'curious'])('is refused to %s, a token with limits', async (name) => {
    const access = anAccess(tokens());
    const { status, body } = await theApp(access).post('/-/reload').set(bearer(name));
    expect([status, body.title, reloads]).toEqual([403, 'Forbidden', 0]);
    expect(access.refusals).toMatchObject([
      { request: 'POST /-/reload', why: expect.stringContaining(name) },
    ]);
  });

  it('knows the tokens of now', async () => {
    const access = anAccess(tokens());
    const app = theApp(access);
    access.tokens = [aToken('new')];
    const reload = async (name: string) => (await app.post('/-/reload').set(bearer(name))).status;
    expect([await reload('operator'), await reload('new')]).toEqual([401, 200]);
  });

  it('leaves reading open', async () => {
    const app = theApp(anAccess(tokens()));
    const paths = ['/', '/metrics', '/-/healthy', '/-/ready', '/api/v1/models'];
    expect(await Promise.all(paths.map(async (path) => (await app.get(path)).status))).toEqual(
      paths.map(() => 200),
    );
  });
});

describe('a token in the URL', () => {
  it.each(['?token=', '?access_token=', '?a=b&TOKEN='])(
    '%s is refused, and logged nowhere',
    async (query) => {
      const access = anAccess(tokens());
      const { status, body } = await theApp(access).post(`/-/reload${query}token-of-operator-0123`);
      expect([status, body.title, reloads]).toEqual([400, 'Token in the URL', 0]);
      expect(access.refusals).toMatchObject([{ request: 'POST /-/reload', why: 'a token in the URL' }]);
      expect(JSON.stringify([access.refusals, logged, body])).not.toContain('token-of-operator');
    },
  );

  it('is refused for reading too where that needs a user', async () => {
    const app = theApp(anAccess(tokens(), aWebConfig(['alice'])));
    expect((await app.get('/metrics?token=token-of-operator-0123')).status).toBe(400);
  });
});

describe('with users', () => {
  const PATHS = [
    '/',
    '/style.css',
    '/page.js',
    '/metrics',
    '/metrics?x',
    '/-/healthy',
    '/-/ready',
    '/api/v1/models',
    '/nothing',
  ];

  it.each(PATHS)('%s needs one, or a token', async (path) => {
    const app = theApp(anAccess(tokens(), aWebConfig(['alice'])));
    const statusOf = async (headers: Headers) => (await app.get(path).set(headers)).status;
    const open = path === '/nothing' ? 404 : 200;
    expect([await statusOf(basic('alice')), await statusOf(bearer('curious'))]).toEqual([open, open]);
    expect([
      await statusOf({}),
      await statusOf(basic('alice', 'wrong')),
      await statusOf(basic('bob')),
      await statusOf({ Authorization: 'Bearer token-of-nobody-0123' }),
    ]).toEqual([401, 401, 401, 401]);
  });

  it('the challenge names what there is', async () => {
    const challenge = async (access: Access) =>
      (await theApp(access).get('/metrics')).headers['www-authenticate'];
    const BASIC = 'Basic realm="llama-router-exporter", charset="UTF-8"';
    expect(await challenge(anAccess([], aWebConfig(['alice'])))).toBe(BASIC);
    expect(await challenge(anAccess(tokens(), aWebConfig(['alice'])))).toBe(
      `Bearer realm="llama-router-exporter", ${BASIC}`,
    );
  });

  it('a user may do everything', async () => {
    const app = theApp(anAccess(tokens(), aWebConfig(['alice'])));
    expect((await app.post('/-/reload').set(basic('alice'))).status).toBe(200);
    expect((await app.post('/-/reload')).status).toBe(401);
  });

  it('users come and go while the service runs', async () => {
    const access = anAccess([], aWebConfig(['alice']));
    const app = theApp(access);
    const statuses = async () => [
      (await app.get('/metrics').set(basic('alice'))).status,
      (await app.get('/metrics').set(basic('bob'))).status,
      (await app.get('/metrics')).status,
    ];
    expect(await statuses()).toEqual([200, 401, 401]);
    access.web = aWebConfig(['bob']);
    expect(await statuses()).toEqual([401, 200, 401]);
    access.web = aWebConfig([]);
    expect(await statuses()).toEqual([200, 200, 200]);
  });
});

it('the headers of the web configuration are on every answer', async () => {
  const headers = [['Strict-Transport-Security', 'max-age=60']] as const;
  const app = theApp(anAccess([], aWebConfig(['alice'], { headers })));
  for (const credentials of [{}, basic('alice')]) {
    const answer = await app.get('/metrics').set(credentials);
    expect(answer.headers['strict-transport-security']).toBe('max-age=60');
  }
});

it('a header value that Node refuses is answered by 500, and the process survives', async () => {
  const headers = [['X-Frame-Options', 'deny\n']] as const;
  const app = theApp(anAccess([], aWebConfig([], { headers })));
  for (let i = 0; i < 2; i += 1) expect((await app.get('/metrics')).status).toBe(500);
  expect(logged).toContain('Invalid character in header content');
});

it('its rate limit is for all callers together; Alertmanager gets 503 in place of 429', async () => {
  const access = anAccess([], aWebConfig([], { rateLimit: { intervalMs: 1000, burst: 2 } }));
  const app = theApp(access);
  const get = async (path = '/metrics') => (await app.get(path)).status;
  expect([await get(), await get(), await get()]).toEqual([200, 200, 429]);
  expect((await app.post('/api/v1/alertmanager')).status).toBe(503);
  expect(access.refusals).toMatchObject([{ request: 'POST /api/v1/alertmanager', reason: 'rate_limited' }]);
  access.advance(1000);
  expect([await get(), await get()]).toEqual([200, 429]);
});

describe('too many wrong credentials', () => {
  const WRONG = { Authorization: 'Bearer token-of-nobody-0123' };
  const reload = (app: ReturnType<typeof theApp>, headers: Headers) => app.post('/-/reload').set(headers);

  it('are answered by 429 for the rest of a minute; a right token always passes', async () => {
    const access = anAccess(tokens());
    const app = theApp(access);
    for (let i = 0; i < 10; i++) expect((await reload(app, WRONG)).status).toBe(401);
    access.advance(20_000);
    const late = await reload(app, WRONG);
    expect([late.status, late.headers['retry-after'], late.headers['www-authenticate']]).toEqual([
      ...[429, '40', undefined],
    ]);
    expect((await reload(app, bearer('operator'))).status).toBe(200);
    expect((await reload(app, {})).status).toBe(401);
    access.advance(40_000);
    expect((await reload(app, WRONG)).status).toBe(401);
  });

  it('stop guessing: not even a right password is compared', async () => {
    const app = theApp(anAccess([], aWebConfig(['alice'])));
    expect((await app.get('/metrics').set(basic('alice'))).status).toBe(200);
    for (let i = 0; i < 10; i++) await app.get('/metrics').set(basic('alice', `guess ${i}`));
    expect((await app.get('/metrics').set(basic('alice'))).status).toBe(429);
  });

  it('are answered by 401 on paths that never get 429', async () => {
    const app = anAct(anAccess(tokens()), { never429: true });
    for (let i = 0; i < 12; i++) {
      const { status, headers } = await app.post('/act').set(WRONG);
      expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="llama-router-exporter"']);
    }
    const guarded = theApp(anAccess([], aWebConfig(['alice'])));
    for (let i = 0; i < 12; i++) {
      expect((await guarded.post('/api/v1/alertmanager').set(WRONG)).status).toBe(401);
    }
  });
});

describe('a route that acts', () => {
  const act = (headers: Headers, body: object = {}) =>
    anAct(anAccess(tokens(), aWebConfig(['alice'])))
      .post('/act')
      .set(headers)
      .send(body);

  it.each<[string, Headers, object]>([
    ['a token', bearer('operator'), { caller: { name: 'operator' }, routers: [], dryRunOnly: false }],
    ['a user', basic('alice'), { caller: { name: 'alice' }, routers: [], dryRunOnly: false }],
  ])('knows the permit of %s', async (_, headers, permit) => {
    expect((await act(headers)).body.permit).toMatchObject(permit);
  });

  it('knows the permit of a caller on this machine', async () => {
    const { body } = await anAct(anAccess()).post('/act').set('Host', 'localhost');
    expect(body).toEqual({
      permit: {
        caller: { name: 'loopback', address: expect.stringMatching(/127\.0\.0\.1$/) },
        routers: [],
        dryRunOnly: false,
      },
      body: {},
    });
  });

  it.each<[string, Headers, object, number]>([
    ['its own router', bearer('gpus'), { routers: ['gpu-1'] }, 200],
    ['another router', bearer('gpus'), { routers: ['cellar'] }, 403],
    ['all routers', bearer('gpus'), {}, 403],
    ['a dry run', bearer('curious'), { dry_run: true }, 200],
    ['more than that', bearer('curious'), { dry_run: false }, 403],
  ])('holds a token to its scope: %s', async (_, headers, body, status) => {
    expect((await act(headers, body)).status).toBe(status);
  });
});

describe('a body', () => {
  const send = (headers: Headers, body: string | Buffer) => {
    const request = anAct(anAccess())
      .post('/act')
      .set({ Host: 'localhost', ...headers });
    return body === '' ? request : request.send(body);
  };
  const JSON_TYPE = { 'Content-Type': 'application/json' };

  it.each<[string, Headers, string | Buffer, object]>([
    ['JSON', JSON_TYPE, '{"reason":"ä"}', { reason: 'ä' }],
    ['nothing, of no type', {}, '', {}],
    ['nothing, called JSON', JSON_TYPE, '', {}],
    [
      'a megabyte',
      JSON_TYPE,
      `{"reason":"${'x'.repeat(2 ** 20 - 13)}"}`,
      { reason: 'x'.repeat(2 ** 20 - 13) },
    ],
  ])('of %s is taken', async (_, headers, body, expected) => {
    const answer = await send(headers, body);
    expect([answer.status, answer.body.body]).toEqual([200, expected]);
  });

  it.each<[string, Headers, string | Buffer, number, string]>([
    [
      'no text, called plain',
      { 'Content-Type': 'text/plain' },
      '',
      415,
      'Content-Type is text/plain: send application/json.',
    ],
    [
      'a megabyte and a byte',
      JSON_TYPE,
      `{"reason":"${'x'.repeat(2 ** 20 - 12)}"}`,
      413,
      'The limit is 1 MiB.',
    ],
    ['two megabytes', JSON_TYPE, 'x'.repeat(2 ** 21), 413, 'The limit is 1 MiB.'],
    ['half of an object', JSON_TYPE, '{"a":', 400, 'The body is not valid JSON.'],
  ])('of %s is refused', async (_, headers, body, status, detail) => {
    const answer = await send(headers, body);
    expect([answer.status, answer.headers['content-type']]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    expect(JSON.parse(answer.text)).toEqual({
      type: 'about:blank',
      title: expect.any(String),
      status,
      detail,
    });
    expect(logged).toBe('');
  });
});
