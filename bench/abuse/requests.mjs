import { gzipSync } from 'node:zlib';
import { TOKENS } from './victim.mjs';

/** One request as bytes. @typedef {{ bytes: Buffer, method: string, path: string, route: string, complete: boolean }} Request */

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'get',
  'FOO',
];
const HOSTS = [
  '127.0.0.1',
  'localhost:10180',
  '[::1]',
  'evil.example',
  '',
  'a b',
  '127.0.0.1.evil.example',
  '%00',
];
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-16',
  ';',
  '',
];
const TEXTS = [
  'qwen',
  '*',
  '',
  '__proto__',
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  '%00',
  'x'.repeat(3000),
  '<b>',
  '🦙'.repeat(50),
  'NaN',
  '1e999',
  "'; --",
];
const VALUES = [
  ...TEXTS,
  0,
  -1,
  1,
  0.5,
  300,
  301,
  1e308,
  2 ** 53,
  null,
  true,
  false,
  [],
  {},
  [[]],
  ['*'],
  { a: { b: [] } },
];
const QUERIES = [
  'router',
  'model',
  'wait',
  'limit',
  'before',
  'status',
  'token',
  'access_token',
  'x',
  '__proto__',
  'router[]',
  '',
];
const HEADERS = [
  'X-Forwarded-For: 127.0.0.1',
  'Forwarded: for=127.0.0.1',
  'Origin: https://evil.example',
  'Origin: null',
  'Sec-Fetch-Site: cross-site',
  'Accept: application/openmetrics-text;q=2,*/*;q=x',
  'Accept-Encoding: gzip;q=0, *;q=9, br',
  'If-None-Match: *',
  'X-Trigger: page',
  'Expect: 100-continue',
  'X-HTTP-Method-Override: DELETE',
  `Cookie: ${'c'.repeat(2000)}`,
  'Range: bytes=0-1',
  'Upgrade: websocket',
  'Connection: upgrade',
  'TE: trailers',
];
const BODIES = [
  { models: ['qwen'], wait: false },
  { models: ['*'], wait: false, hold_seconds: 1 },
  { wait: false },
  {},
  { ttl_seconds: 1, wait: false },
  { ttl_seconds: 1, unload: 'all', restore: true, wait: 0 },
  { ttl_seconds: 60 },
  { reports: [{ model: 'qwen', cause: 'task', task: 'title_generation' }] },
  {
    version: '4',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'x', action: 'unload' },
        annotations: { unload_models: 'qwen' },
      },
    ],
  },
  { version: '1', alerts: [{ status: 'resolved', labels: {} }] },
];
const NOISE = [
  '{',
  '[',
  '"',
  ',',
  '\ud800',
  '{"__proto__":{"dry_run":true},',
  '['.repeat(3000),
  '{"a":'.repeat(1000),
  '1e999',
  '//',
];
const UUID = '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';

/** Wrong tokens, among them such as differ from a right one by little. */
const WRONG = [
  TOKENS.operator.slice(0, -1),
  `${TOKENS.operator}x`,
  TOKENS.operator.toUpperCase(),
  TOKENS.operator.replace('0', 'O'),
  '',
  'null',
  'x'.repeat(4000),
  '*',
];

/** @type {Record<string, (pick: <T>(of: readonly T[]) => T) => string | undefined>} */
const CREDENTIALS = {
  none: (pick) =>
    pick([
      undefined,
      `Bearer ${pick(WRONG)}`,
      `Basic ${Buffer.from(`operator:${TOKENS.operator}`).toString('base64')}`,
      `Bearer  ${TOKENS.operator} x`,
      TOKENS.operator,
      `Digest ${TOKENS.operator}`,
      `Bearer ${Buffer.from(TOKENS.operator).toString('base64')}`,
    ]),
  curious: () => `Bearer ${TOKENS.curious}`,
  operator: () => `Bearer ${TOKENS.operator}`,
};

/**
 * Makes requests to the routes of an OpenAPI document, and some that are not among them.
 * @param {readonly { method: string, path: string }[]} routes
 * @param {() => number} random
 */
export function createRequests(routes, random) {
  const chance = (/** @type {number} */ share) => random() < share;
  /** @template T @param {readonly T[]} of */
  const pick = (of) => /** @type {T} */ (of[Math.floor(random() * of.length)]);

  /** @param {string} path */
  function pathOf(path) {
    const own = path.replace('{id}', () =>
      encodeURIComponent(chance(0.7) ? UUID : pick(TEXTS).toWellFormed()),
    );
    if (chance(0.9)) return own;
    return pick([
      `/${own}`,
      `${own}/`,
      own.toUpperCase(),
      `${own}/..`,
      `${own}%2f`,
      `${own};x`,
      `/%2e%2e${own}`,
      `http://127.0.0.1${own}`,
      '*',
      `/${'a'.repeat(5000)}`,
      `${own}%ff`,
      '//',
    ]);
  }

  function queryOf() {
    if (chance(0.7)) return '';
    const parts = Array.from({ length: pick([1, 1, 2, 20]) }, () => {
      const name = pick(QUERIES);
      // A wait that is allowed would only wait.
      const value = name === 'wait' ? pick(['0', '-1', '301', 'x', '']) : pick(TEXTS);
      return `${encodeURIComponent(name)}=${chance(0.9) ? encodeURIComponent(value.toWellFormed()) : '%zz%'}`;
    });
    return `?${parts.join('&')}`;
  }

  function bodyOf() {
    const base = structuredClone(/** @type {Record<string, unknown>} */ (pick(BODIES)));
    if (chance(0.5)) {
      const key = chance(0.5) ? pick([...Object.keys(base), 'models']) : pick(TEXTS);
      const value = pick(VALUES);
      // `wait: true` and numbers would only wait.
      if (key !== 'wait') base[key] = value;
    }
    let text = JSON.stringify(base);
    if (chance(0.2)) {
      const at = Math.floor(random() * text.length);
      text = pick([text.slice(0, at), text.slice(0, at) + pick(NOISE) + text.slice(at), pick(NOISE), '']);
    }
    return chance(0.03) ? gzipSync(text) : Buffer.from(text);
  }

  return (/** @type {string} */ caller) => {
    const route = pick(routes);
    const method = chance(0.85) ? route.method : pick(METHODS);
    const path = `${pathOf(route.path)}${queryOf()}`;
    const lines = [
      `${method} ${path} HTTP/1.${chance(0.97) ? 1 : 0}`,
      `Host: ${chance(0.8) ? '127.0.0.1' : pick(HOSTS)}`,
    ];
    const credentials = CREDENTIALS[caller]?.(pick);
    if (credentials !== undefined) lines.push(`Authorization: ${credentials}`);
    while (chance(0.2)) lines.push(pick(HEADERS));
    const hasBody = method !== 'GET' && method !== 'HEAD' ? chance(0.9) : chance(0.05);
    let body = hasBody ? bodyOf() : Buffer.alloc(0);
    let isWhole = true;
    if (hasBody) {
      lines.push(`Content-Type: ${chance(0.85) ? TYPES[0] : pick(TYPES)}`);
      if (chance(0.05)) lines.push(`Content-Encoding: ${pick(['gzip', 'br', 'identity', 'x'])}`);
      const length = chance(0.97)
        ? body.length
        : pick([body.length + 5, Math.max(0, body.length - 5), -1, 1e15]);
      isWhole = length === body.length;
      if (chance(0.1)) {
        lines.push('Transfer-Encoding: chunked');
        body = Buffer.concat([
          Buffer.from(`${body.length.toString(16)}\r\n`),
          body,
          Buffer.from('\r\n0\r\n\r\n'),
        ]);
        isWhole = body.length > 10;
      } else lines.push(`Content-Length: ${length}`);
    }
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    // The connection of what is not HTTP is cut, which may come before the answer.
    const complete = isWhole && method !== 'get' && method !== 'FOO';
    return { bytes: Buffer.concat([head, body]), method, path, route: route.path, complete };
  };
}
