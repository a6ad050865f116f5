import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { anyText } from './any-text.ts';
import type { Sent } from './kept-alive.ts';

/** Mangled requests and noise. */

const WORDS = ['qwen', 'bge', 'llama', 'attic', 'cellar', '*', 'q*', '?????', 'unknown', 'default'];
const MODELS = ['qwen', 'bge', 'llama', '*', 'q*', '?????', 'default'];

/** Texts that are special to terminals, prototypes, encodings, numbers, logs, headers or pages. */
const TROUBLE = [
  ...['', ' ', '\u0000', '\ud800', '\udfff\ud800', '\ufeff', '\u2028', '\u202e', '🦙'.repeat(100)],
  ...['__proto__', 'constructor', 'toString', 'NaN', 'Infinity', '1e999', '-0', 'null', 'true'],
  ...['\r\nSet-Cookie: a=b', '<script>alert(1)</script>', '%00', '../../etc/passwd', 'x'.repeat(3000)],
  ...['2023-11-14T23:00:00Z', '2023-11-14t23:00:00z', '9999-12-31T23:59:59Z', '0000-00-00T00:00:00Z'],
];

const text = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 2, arbitrary: fc.constantFrom(...TROUBLE) },
  { weight: 1, arbitrary: anyText({ maxLength: 20 }) },
);
const number = fc.oneof(
  fc.constantFrom(-1, 0, 1, 0.5, 2, 60, 2.5e9, 1e308, -1e308, 5e-324, 2 ** 53, Number.MAX_SAFE_INTEGER),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.nat(100_000),
);

/** Any value that JSON can hold; a few of them large. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 12, arbitrary: text },
  { weight: 12, arbitrary: number },
  { weight: 8, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], [{}]) },
  { weight: 4, arbitrary: fc.array(fc.oneof(text, number), { maxLength: 5 }) },
  { weight: 4, arbitrary: fc.dictionary(text, fc.oneof(text, number), { maxKeys: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(5, 31, 32, 33, 1000).map(tower) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(999, 1001, 5000), text).map(([n, of]) => Array(n).fill(of)),
  },
);

function tower(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const names = fc.array(fc.constantFrom(...MODELS), { minLength: 1, maxLength: 3 });
const common = {
  routers: fc.array(fc.constantFrom('attic', 'cellar'), { maxLength: 2 }),
  keep: names,
  gpus: fc.constantFrom(['0'], ['GPU-1d4b', '1']),
  when_busy: fc.constantFrom('skip', 'wait', 'force'),
  busy_timeout_seconds: fc.constantFrom(0, 1, 30, 86_400),
  timeout_seconds: fc.constantFrom(0, 1, 30, 86_400),
  wait: fc.constantFrom(true, false, 0, 1, 300),
  dry_run: fc.boolean(),
  reason: text,
  hold_seconds: fc.constantFrom(0, 1, 2_592_000),
  idle_for_seconds: fc.constantFrom(0, 60, 2_592_000),
};
const target = fc.constantFrom({}, {}, { free_bytes: 1 }, { free_bytes: 2 ** 40 }, { until_ratio: 0.5 });
const aimed = (body: fc.Arbitrary<object>) =>
  fc.tuple(body, target).map(([asked, aim]) => ({ ...asked, ...aim }));
const unloadBody = aimed(fc.record({ models: names, ...common }, { requiredKeys: ['models'] }));
const unloadAllBody = aimed(fc.record({ models: names, ...common }, { requiredKeys: [] }));
const holdBody = fc.record(
  {
    ttl_seconds: fc.constantFrom(1, 60, 3600),
    routers: fc.array(fc.constantFrom('attic', 'cellar'), { maxLength: 2 }),
    reason: text,
    holder: text,
    need_bytes: fc.constantFrom(1, 2 ** 40),
    unload: fc.constantFrom('none', 'enough', 'all'),
    when_busy: fc.constantFrom('skip', 'wait', 'force'),
    restore: fc.boolean(),
    enforce: fc.boolean(),
    wait: fc.constant(false),
  },
  { requiredKeys: ['ttl_seconds', 'wait'] },
);
const renewalBody = fc.record({ ttl_seconds: fc.constantFrom(1, 60, 3600) });

/** The hold that stands before each request. */
export const HOLD = '4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';

const usageBody = fc.record({
  reports: fc.array(
    fc.record(
      {
        model: fc.constantFrom(...MODELS),
        cause: fc.constantFrom('chat', 'task', 'api'),
        router: fc.constantFrom('attic', 'cellar', 'unknown'),
        task: fc.constantFrom('title_generation', 'of its own'),
      },
      { requiredKeys: ['model', 'cause'] },
    ),
    { maxLength: 3 },
  ),
});

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const notifications = fc.constantFrom(
  ...['alertmanager/old', 'alertmanager/new', 'grafana-alerting'].flatMap((folder) =>
    readdirSync(join(FIXTURES, folder))
      .filter((file) => file.endsWith('.json'))
      .map((file) => JSON.parse(readFileSync(join(FIXTURES, folder, file), 'utf8'))),
  ),
);

type Place = string[];

/** Places in a value where something else could stand: of a long list the first are enough, and the top of a tower. */
function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null || at.length > 40) return [at];
  const inside = Object.entries(value).slice(0, 20);
  return [at, ...inside.flatMap(([key, inner]) => placesOf(inner, [...at, key]))];
}

/** The value with another one at a place. */
function withAt(value: unknown, [key, ...rest]: Place, other: unknown): unknown {
  if (key === undefined || typeof value !== 'object' || value === null) return other;
  if (Array.isArray(value))
    return value.map((inner, i) => (`${i}` === key ? withAt(inner, rest, other) : inner));
  const object = value as Record<string, unknown>;
  // Defined, not assigned: a key `__proto__` is one like any other here.
  return Object.defineProperty({ ...object }, key, {
    value: withAt(object[key], rest, other),
    ...{ enumerable: true, configurable: true, writable: true },
  });
}

const changes = fc.array(fc.tuple(fc.nat(), anything, fc.option(text, { freq: 4 })), {
  minLength: 1,
  maxLength: 2,
});

/** A value with some of its parts replaced, and some added. */
function changed(base: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(base, changes).map(([value, all]) =>
    all.reduce((sofar: unknown, [which, other, added]) => {
      const places = placesOf(sofar);
      const place = places[which % places.length] ?? [];
      return added === null
        ? withAt(sofar, place, other)
        : withAt(sofar, [...place.slice(0, -1), added], other);
    }, value),
  );
}

/** Texts to insert: syntax errors, duplicate keys, keys that change prototypes. */
const INSERTIONS = [
  ...['"__proto__":{"dry_run":true},', '"\\u005f_proto__":[],', '"constructor":{"prototype":{"x":1}},'],
  ...['"models":["*"],', '"version":"3",', '"seconds":1,', '"wait":true,', '1e999', '-', ',', '{', '[', '"'],
  ...['\ufeff', '\u0000', '\\ud800', '\ud800', '//', "'", 'NaN', '['.repeat(2000), '{"a":'.repeat(2000)],
];

const edit = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), what: fc.constantFrom(...INSERTIONS) }),
  fc.record({ kind: fc.constant('first' as const), what: fc.constantFrom(...INSERTIONS) }),
  fc.record({ kind: fc.constant('twice' as const) }),
);

function edited(bytes: Buffer, change: typeof edit extends fc.Arbitrary<infer Edit> ? Edit : never): Buffer {
  switch (change.kind) {
    case 'cut':
      return bytes.subarray(0, change.at % (bytes.length + 1));
    case 'flip': {
      const at = change.at % Math.max(1, bytes.length);
      return Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ change.mask : byte)));
    }
    case 'insert':
      return spliced(bytes, change.at % (bytes.length + 1), change.what);
    case 'first':
      return spliced(bytes, 1, change.what);
    case 'twice':
      return Buffer.concat([bytes, bytes]);
  }
}

function spliced(bytes: Buffer, at: number, what: string): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(what), bytes.subarray(at)]);
}

/** The bytes of a body: mostly changed JSON, sometimes changed again as bytes, or noise. */
function bodyOf(base: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const written = fc.oneof({ weight: 2, arbitrary: base }, { weight: 3, arbitrary: changed(base) });
  const bytes = written.map((value) => Buffer.from(JSON.stringify(value) ?? ''));
  return fc.oneof(
    { weight: 12, arbitrary: bytes },
    {
      weight: 4,
      arbitrary: fc
        .tuple(bytes, fc.array(edit, { minLength: 1, maxLength: 3 }))
        .map(([start, edits]) => edits.reduce(edited, start)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((noise) => Buffer.from(noise)) },
  );
}

const JSON_TYPE = 'application/json';
const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant<string | undefined>(JSON_TYPE) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[undefined, '', 'text/plain', 'APPLICATION/JSON', 'application/json; charset=utf-8', 'application'],
      ...[
        'application/json; charset=utf-16',
        'application/json;charset="UTF-8";',
        'multipart/form-data',
        ';',
      ],
      ...['application/json; charset=utf-8; charset=latin1', 'application/problem+json', 'text/json'],
    ),
  },
);

const queryName = fc.constantFrom('router', 'status', 'model', 'limit', 'token', '__proto__', 'x', '');
const queryValue = fc.oneof(
  fc.constantFrom(
    'attic',
    'cellar',
    'qwen',
    'default',
    'loaded',
    '',
    'unknown',
    '%',
    '%ff',
    '%00',
    '%ed%a0%80',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 8 }).map(encodeURIComponent),
);
const query = fc
  .array(fc.tuple(queryName, queryValue), { maxLength: 3 })
  .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`));
const noQuery = fc.oneof(
  { weight: 30, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom('?', '?x=y', '?token=t', '?%') },
);

const acting = (line: string, base: fc.Arbitrary<unknown>): fc.Arbitrary<Sent> => {
  const [method = '', path = ''] = line.split(' ');
  return fc
    .tuple(contentType, bodyOf(base), method === 'DELETE' ? fc.oneof(noQuery, query) : noQuery, fc.boolean())
    .map(([type, body, asked, chunked]) => ({ method, path: `${path}${asked}`, type, body, chunked }));
};

const READ = [
  '/api/v1/routers',
  '/api/v1/models',
  '/api/v1/holds',
  `/api/v1/holds/${HOLD}`,
  '/api/v1/gate',
  '/api/v1/operations',
];
const SEGMENT = ['x', '%00', '%ff', '%E0%A4%A', '%2e%2e', '__proto__', 'a'.repeat(5000)];
const reading: fc.Arbitrary<Sent> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...READ),
      fc.oneof(query, fc.constantFrom('', '?router=attic', '?router=cellar&model=qwen')),
    )
    .map(([path, asked]) => ({ method: 'GET', path: `${path}${asked}` })),
  // A loaded model passes any hold.
  fc.constantFrom('attic', 'cellar').map((router) => ({
    method: 'GET',
    path: `/api/v1/gate?router=${router}&model=qwen`,
  })),
  fc.constantFrom(...SEGMENT).map((id) => ({ method: 'GET', path: `/api/v1/operations/${id}` })),
);

/** Requests to every route that writes or reads a query. */
export const strangeRequest: fc.Arbitrary<Sent> = fc.oneof(
  acting('POST /api/v1/unload', unloadBody),
  acting('POST /api/v1/unload-all', unloadAllBody),
  acting('POST /unload-all', unloadAllBody),
  acting('POST /api/v1/alertmanager', notifications),
  acting('POST /webhook/alertmanager', notifications),
  acting('PUT /webhook/grafana', notifications),
  acting('POST /api/v1/holds', holdBody),
  acting(`PATCH /api/v1/holds/${HOLD}`, renewalBody),
  acting(`DELETE /api/v1/holds/${HOLD}`, fc.constant({})),
  fc.constant({ method: 'DELETE', path: `/api/v1/holds/${HOLD}` }),
  acting('POST /api/v1/usage', usageBody),
  acting('POST /-/reload', fc.constant({})),
  { weight: 3, arbitrary: reading },
);
