import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { onWall } from '../../../src/hold/hold.ts';
import { routesOf } from '../../../src/http/app.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { aHold } from '../../support/a-hold.ts';
import { type Access, anAccess, aToken, bearer } from '../../support/access.ts';
import { sendRaw } from '../../support/raw-http.ts';
import { serveApp } from '../../support/served-app.ts';

/** Every route that acts, and everything that must not make it act: over a socket, so that nothing mends it. */

const SECRET = 'token-of-operator-0123';
const JSON_TYPE = 'application/json';
const ALERT = { status: 'firing', labels: { alertname: 'GpuMemoryHigh', action: 'unload' } };
const NOTIFICATION = { version: '4', alerts: [ALERT] };
const OF_ATTIC = { ...NOTIFICATION, alerts: [{ ...ALERT, labels: { ...ALERT.labels, router: 'attic' } }] };
const HOLD = '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';
const REPORT = { model: 'qwen', cause: 'chat' };

interface Act {
  route: string;
  /** Its body; absent: it takes none. */
  body?: object;
  /** The same about one router, where `routers` does not say which. */
  limited?: object;
}

const ACTS: Act[] = [
  { route: 'POST /api/v1/unload', body: { models: ['qwen'] } },
  { route: 'POST /api/v1/unload-all', body: {} },
  { route: 'POST /unload-all', body: {} },
  { route: 'POST /api/v1/load', body: { models: ['qwen'], hold: HOLD } },
  ...['/api/v1/alertmanager', '/webhook/alertmanager', '/webhook/grafana'].flatMap((path) =>
    ['POST', 'PUT'].map((method) => ({
      route: `${method} ${path}`,
      body: NOTIFICATION,
      limited: OF_ATTIC,
    })),
  ),
  { route: 'POST /api/v1/holds', body: { ttl_seconds: 60 } },
  { route: `PATCH /api/v1/holds/${HOLD}`, body: { ttl_seconds: 60 }, limited: { ttl_seconds: 60 } },
  { route: `DELETE /api/v1/holds/${HOLD}` },
  {
    route: 'POST /api/v1/usage',
    body: { reports: [REPORT] },
    limited: { reports: [{ ...REPORT, router: 'attic' }] },
  },
  { route: 'POST /-/reload' },
];
const isWebhook = ({ route }: Act) => /\/(alertmanager|grafana)$/.test(route);

/** The service, and what it was made to do. */
async function aService(access: Access) {
  let logged = '';
  let reloads = 0;
  let reports = 0;
  const log = createLogger({
    ...{ level: 'debug', format: 'logfmt', now: () => 0 },
    write: (line) => (logged += line),
  });
  const reload = async () => {
    reloads += 1;
    return {};
  };
  const app = await serveApp(
    { auth: access.auth, reload, log, lifecycleMetrics: { reported: () => (reports += 1) } },
    { requestTimeoutMs: 300 },
  );
  return {
    ...{ app, access, log: () => logged },
    /** As it is before each attempt: everything is loaded, one router is held, wrong credentials are forgotten. */
    begin(held = ['cellar']) {
      logged = '';
      access.advance(60_000);
      access.refusals.splice(0);
      app.turn('back');
      for (const { id } of app.parts.holds.all()) app.parts.holds.release(id, 'test');
      const hold = aHold(app.clock.now() + 3_600_000, { id: HOLD, routers: held });
      app.parts.holds.restore([onWall(hold, app.clock)]);
    },
    operationMetrics: () => ({
      ordered: app.attic.ordered.length + app.cellar.ordered.length,
      done: app.parts.operations.list().filter(({ dry_run }) => !dry_run).length,
      holds: app.parts.holds
        .all()
        .map(({ routers, by, until }) => [routers, by.name, until - app.clock.now()]),
      reloads,
      reports,
    }),
    async close() {
      await app.close();
    },
  };
}

let open: Awaited<ReturnType<typeof aService>>;
let locked: Awaited<ReturnType<typeof aService>>;
beforeAll(async () => {
  open = await aService(anAccess());
  locked = await aService(
    anAccess([
      aToken('operator'),
      aToken('limited', { routers: ['attic'] }),
      aToken('curious', { dry_run: true }),
    ]),
  );
});
afterAll(async () => {
  await open.close();
  await locked.close();
});

/** A request as it goes over the wire. */
interface Written {
  method: string;
  target: string;
  version: string;
  headers: [string, string][];
  body: string;
}

/** A permitted request, with a token where tokens are configured. */
function rightly({ route, body }: Act, token: string | undefined): Written {
  const [method = '', target = ''] = route.split(' ');
  const text = body === undefined ? '' : JSON.stringify(body);
  return {
    ...{ method, target, version: 'HTTP/1.1', body: text },
    headers: [
      ['Host', 'localhost'],
      ['Connection', 'close'],
      ...(token === undefined ? [] : ([['Authorization', `Bearer ${token}`]] as [string, string][])),
      ...(text === '' ? [] : ([['Content-Type', JSON_TYPE]] as [string, string][])),
      ...(text === '' ? [] : ([['Content-Length', String(Buffer.byteLength(text))]] as [string, string][])),
    ],
  };
}

type Trick = (written: Written) => Written;

const withHeader =
  (name: string, value: string): Trick =>
  (written) => ({
    ...written,
    headers: [...written.headers.filter(([each]) => each !== name), [name, value]],
  });
const firstHeader =
  (name: string, value: string): Trick =>
  (written) => ({ ...written, headers: [[name, value], ...written.headers] });
const lastHeader =
  (name: string, value: string): Trick =>
  (written) => ({ ...written, headers: [...written.headers, [name, value]] });
const withoutHeader =
  (name: string): Trick =>
  (written) => ({ ...written, headers: written.headers.filter(([each]) => each !== name) });
const to =
  (change: (target: string) => string): Trick =>
  (written) => ({ ...written, target: change(written.target) });
const withBody =
  (body: string, length = body.length): Trick =>
  (written) =>
    withHeader('Content-Length', String(length))(withHeader('Content-Type', JSON_TYPE)({ ...written, body }));
const all =
  (...tricks: Trick[]): Trick =>
  (written) =>
    tricks.reduce((sofar, trick) => trick(sofar), written);
const token = (value: string) => withHeader('Authorization', `Bearer ${value}`);
const withoutToken = withoutHeader('Authorization');
const otherMethod: Trick = (written) => ({ ...written, method: 'PROPFIND' });

function textOf({ method, target, version, headers, body }: Written): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${target} ${version}`, ...lines, '', body].join('\r\n');
}

/** A permitted request hidden in a body. */
const HIDDEN = textOf(rightly({ route: 'POST /-/reload' }, SECRET));

type Row = [
  name: string,
  trick: Trick,
  /** NaN: the connection ends without an answer. */
  status: number,
  /** The reported reason; absent: it is not about permission, and nothing is reported. */
  why?: RegExp | undefined,
  only?: (act: Act) => boolean,
];

const takesBody = ({ body }: Act) => body !== undefined;

/** Refused with any configuration and any credentials. */
const NEVER: Row[] = [
  ['from a page of another site', withHeader('Origin', 'https://evil.example'), 403, /other sites/],
  ['from a page without an origin', withHeader('Origin', 'null'), 403, /other sites/],
  [
    'from a page that a browser calls strange',
    withHeader('Sec-Fetch-Site', 'cross-site'),
    403,
    /other sites/,
  ],
  ['from another port of the same site', withHeader('Sec-Fetch-Site', 'same-site'), 403, /other sites/],
  [
    'with two origins, ours and another',
    all(lastHeader('Origin', 'http://localhost'), lastHeader('Origin', 'https://evil.example')),
    ...([403, /other sites/] as const),
  ],
  ['with a token in the query', to((path) => `${path}?token=${SECRET}`), 400, /a token in the URL/],
  [
    'with one in a query of more',
    to((path) => `${path}?a=b&Access_Token=${SECRET}`),
    400,
    /a token in the URL/,
  ],
  ['as plain text', withHeader('Content-Type', 'text/plain'), 415, undefined, takesBody],
  [
    'as a form',
    withHeader('Content-Type', 'application/x-www-form-urlencoded'),
    ...([415, undefined, takesBody] as const),
  ],
  ['with nine megabytes', withBody(' '.repeat(9 * 2 ** 20)), 413, undefined, takesBody],
  ['with the promise of nine megabytes', withBody('{', 9 * 2 ** 20), 413, undefined, takesBody],
  [
    'with a body where none is taken',
    withBody('{}'),
    400,
    undefined,
    ({ route }) => route.startsWith('DELETE'),
  ],
  ['at //', to((path) => `/${path}`), 404],
  ['at /./', to((path) => `/.${path}`), 404],
  ['at /%2e/', to((path) => `/%2e${path}`), 404],
  ['at /x/../', to((path) => `/x/..${path}`), 404],
  ['with a semicolon', to((path) => `${path};x=y`), 404],
  ['with an escaped slash', to((path) => `${path}%2f`), 404],
  ['with a NUL', to((path) => `${path}%00`), 404],
  ['with backslashes', to((path) => path.replaceAll('/', '\\')), 400],
  ['with a long path', to((path) => `${path}${'x'.repeat(9000)}`), 404],
  ['with a huge URL', to((path) => `${path}?${'x'.repeat(20_000)}`), 431],
  ['with huge headers', withHeader('X-Long', 'x'.repeat(20_000)), 431],
  ['by another method', otherMethod, 405],
  ['with X-HTTP-Method-Override', all(otherMethod, withHeader('X-HTTP-Method-Override', 'POST')), 405],
  ['with X-Method-Override', all(otherMethod, withHeader('X-Method-Override', 'DELETE')), 405],
  [
    'with _method',
    all(
      otherMethod,
      to((path) => `${path}?_method=POST`),
    ),
    405,
  ],
  [
    'with a length and in chunks',
    all(withBody('0\r\n\r\n'), withHeader('Transfer-Encoding', 'chunked')),
    400,
  ],
  ['with two lengths', all(withBody('{}'), lastHeader('Content-Length', '1')), 400],
  ['with two lengths in one', all(withBody('{}'), withHeader('Content-Length', '2, 2')), 400],
  ['with a length that is none', withBody('{}', -2), 400],
  [
    'in chunks that are none',
    all(withoutHeader('Content-Length'), withHeader('Transfer-Encoding', 'xchunked')),
    400,
  ],
  [
    'in chunks, and something after',
    all(withoutHeader('Content-Length'), withHeader('Transfer-Encoding', 'chunked, identity')),
    400,
  ],
  ['with a blank before the colon', withHeader('Transfer-Encoding ', 'chunked'), 400],
  ['with a header in two lines', withHeader('X-Folded', 'a\r\n b'), 400],
  ['without Host', withoutHeader('Host'), 400],
];

/** Refused without a sufficient token where tokens are configured. */
const LOCKED: Row[] = [
  ['without a token', withoutToken, 401, /no credentials/],
  [
    'without one in 10,000 bytes of headers',
    all(withoutToken, withHeader('X-Long', 'x'.repeat(10_000))),
    401,
    /no cred/,
  ],
  ['with a wrong token', token('token-of-nobody-0123'), 401, /unknown token/],
  ['with half a token', token(SECRET.slice(0, -1)), 401, /unknown token/],
  ['with a token of 10,000 bytes', token('x'.repeat(10_000)), 401, /unknown token/],
  [
    'with a token as a cookie',
    all(withoutToken, withHeader('Cookie', `token=${SECRET}`)),
    401,
    /no credentials/,
  ],
  [
    'with a token in a header of its own',
    all(withoutToken, withHeader('X-Api-Key', SECRET)),
    401,
    /no credentials/,
  ],
  ['with a wrong token before the right one', firstHeader('Authorization', 'Bearer x'), 401, /unknown token/],
  [
    'by another name of the path',
    all(
      withoutToken,
      to((path) => `${path.toUpperCase()}/`),
    ),
    401,
    /no credentials/,
  ],
  [
    'at another host',
    all(
      withoutToken,
      to((path) => `http://localhost${path}`),
    ),
    401,
    /no credentials/,
  ],
  ['in HTTP/1.0', (written) => withoutToken({ ...written, version: 'HTTP/1.0' }), 401, /no credentials/],
  ['with a request in its body', all(withBody(HIDDEN), withoutToken), 401, /no credentials/],
  [
    'on more routers than its token is for',
    token('token-of-limited-0123'),
    403,
    /limited to the routers attic/,
  ],
  [
    'with a token that may only ask',
    token('token-of-curious-0123'),
    ...([403, /only request dry runs/, (act: Act) => !isWebhook(act)] as const),
  ],
];

/** Refused to callers that are not on this machine where no tokens are configured. */
const OPEN: Row[] = [
  ['by a name that was rebound', withHeader('Host', 'evil.example'), 403, /not evil.example/],
  [
    'by a name that only looks like ours',
    withHeader('Host', 'localhost.evil.example'),
    403,
    /must name this machine/,
  ],
  ['by a wrong name before the right one', firstHeader('Host', 'evil.example'), 403, /not evil.example/],
  ['through a proxy', withHeader('X-Forwarded-For', '127.0.0.1'), 403, /a proxy/],
  [
    'through a proxy that says it twice',
    all(lastHeader('Forwarded', 'for=::1'), lastHeader('Via', '1.1 x')),
    403,
    /a proxy/,
  ],
  [
    'in HTTP/1.0 without Host',
    (written) => withoutHeader('Host')({ ...written, version: 'HTTP/1.0' }),
    ...([403, /is missing/] as const),
  ],
];

const rows = (table: Row[]) =>
  table.map(([name, trick, status, why, only = () => true]) => ({ name, trick, status, why, only }));

describe.each<[string, () => typeof open, string | undefined, Row[]]>([
  ['where there are no tokens', () => open, undefined, [...NEVER, ...OPEN]],
  ['where there are tokens', () => locked, SECRET, [...NEVER, ...LOCKED]],
])('%s', (_, given, secret, table) => {
  it.each(ACTS)('$route acts when it may', async ({ route, body }) => {
    const { begin, operationMetrics, app } = given();
    begin();
    const before = operationMetrics();
    const [method = '', path = ''] = route.split(' ');
    const { status } = await app.ask({
      ...{ method, path, headers: secret === undefined ? {} : bearer('operator') },
      ...(body && { type: JSON_TYPE, body: Buffer.from(JSON.stringify(body)) }),
    });
    expect([200, 201]).toContain(status);
    expect(operationMetrics()).not.toEqual(before);
    await app.clock.advance(60_000);
  });

  it.each(rows(table))('no route acts $name', async ({ trick, status, why, only }) => {
    const { begin, operationMetrics, app, access, log } = given();
    const happened: unknown[] = [];
    const refused: unknown[] = [];
    for (const act of ACTS.filter(only)) {
      begin();
      const before = operationMetrics();
      const answer = await sendRaw(app.port, textOf(trick(rightly(act, secret))));
      happened.push({
        route: act.route,
        status: answer.status,
        answers: answer.text.match(/HTTP\/1\.1 /g)?.length,
        changed: isDeepStrictEqual(operationMetrics(), before) ? 'nothing' : operationMetrics(),
        reported: access.refusals.map((refusal) => refusal.why),
        tellsSecret: `${answer.text}${log()}${JSON.stringify(access.refusals)}`.includes(SECRET),
      });
      refused.push({
        ...{ route: act.route, status, answers: 1, changed: 'nothing' },
        ...{ reported: why ? [expect.stringMatching(why)] : [], tellsSecret: false },
      });
    }
    expect(happened).toEqual(refused);
  });

  // All at once, because each takes as long as the server waits for a body.
  it('no route acts on a body that does not come', async () => {
    const { begin, operationMetrics, app, access } = given();
    begin();
    const before = operationMetrics();
    const acts = ACTS.filter(takesBody);
    const slow = acts.map((act) => textOf(withBody('{', 100)(rightly(act, secret))));
    const answers = await Promise.all(slow.map((text) => sendRaw(app.port, text)));
    expect(answers.map(({ text }) => text.match(/HTTP\/1\.1 \d+/g))).toEqual(
      acts.map(() => ['HTTP/1.1 408']),
    );
    expect(operationMetrics()).toEqual(before);
    expect(access.refusals).toEqual([]);
  });
});

it.each(ACTS)('$route takes no request for its body, nor a body for a request', async (act) => {
  const { begin, operationMetrics, app } = locked;
  begin();
  const before = operationMetrics();
  const refused = textOf(
    all(withBody(HIDDEN), withoutToken, withHeader('Connection', 'keep-alive'))(rightly(act, SECRET)),
  );
  const next = textOf({ ...rightly({ route: 'GET /-/healthy' }, undefined) });
  const { text } = await sendRaw(app.port, `${refused}${next}`);
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200']);
  expect(operationMetrics()).toEqual(before);
});

describe('a token that may only ask', () => {
  it.each(ACTS.slice(0, 5))('gets from $route what would happen', async (act) => {
    const { begin, operationMetrics, app, access } = locked;
    begin();
    const before = operationMetrics();
    const [method = '', path = ''] = act.route.split(' ');
    const body = isWebhook(act) ? act.body : { ...act.body, dry_run: true };
    const answer = await app.ask({
      ...{ method, path, headers: bearer('curious'), type: JSON_TYPE },
      body: Buffer.from(JSON.stringify(body)),
    });
    expect([answer.status, JSON.parse(answer.body.toString()).outcome]).toEqual([200, 'dry_run']);
    expect([operationMetrics(), access.refusals]).toEqual([before, []]);
  });
});

it.each(ACTS.filter(({ body }) => body !== undefined))(
  '$route acts on the routers that a token is for',
  async ({ route, body, limited = { ...body, routers: ['attic'] } }) => {
    const { begin, operationMetrics, app } = locked;
    begin(['attic']);
    const before = operationMetrics();
    const [method = '', path = ''] = route.split(' ');
    const { status } = await app.ask({
      ...{ method, path, headers: bearer('limited'), type: JSON_TYPE },
      body: Buffer.from(JSON.stringify(limited)),
    });
    expect([200, 201]).toContain(status);
    expect(operationMetrics()).not.toEqual(before);
    await app.clock.advance(60_000);
  },
);

it('this table has every route that writes', () => {
  const acting = routesOf(open.app.parts)
    .filter(({ permission }) => permission !== 'read')
    .map(({ method, path }) => `${method} ${path.replace(':id', HOLD)}`);
  expect(acting.sort()).toEqual(ACTS.map(({ route }) => route).sort());
});
