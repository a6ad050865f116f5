import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHolds } from '../../src/hold/holds.ts';
import { createApp } from '../../src/http/app.ts';
import { serve } from '../../src/http/server.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, ended, listed } from '../support/a-model.ts';
import { appParts } from '../support/app-parts.ts';
import { keptAlive, type Received, type Sent } from '../support/kept-alive.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createScriptedHands } from '../support/scripted-hands.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';
import { strangeRequest } from '../support/strange-requests.ts';

/** One service for all requests, on two routers, whose time passes as they need it. */
const clock = createSteppedClock();
const store = createStore(clock, { reloadWindowMs: 600_000 });
const MODELS = { attic: ['qwen', 'bge'], cellar: ['llama'] };
const attic = createScriptedHands(clock, store, 'attic', ...MODELS.attic);
const cellar = createScriptedHands(clock, store, 'cellar', ...MODELS.cellar);
const errors: string[] = [];
const log = createLogger({
  level: 'error',
  format: 'logfmt',
  write: (line) => errors.push(line),
  now: clock.now,
});
let reloads = 0;
const parts = appParts(
  { store, clock },
  {
    hands: [attic, cellar],
    holds: createHolds(clock),
    reload: async () => (++reloads % 2 === 0 ? {} : { error: 'line 3: it is no configuration' }),
    log,
  },
);
/** The kinds of answers that each route has given. */
const answered = new Map<string, Set<string>>();
let server: Awaited<ReturnType<typeof serve>>;
let client: ReturnType<typeof keptAlive>;

beforeAll(async () => {
  server = await serve(createApp(parts), { host: '127.0.0.1', port: 0 });
  client = keptAlive(server.port);
});
afterAll(async () => {
  client.close();
  await server.close();
});

/** What the routers do while a request is answered. */
const WEATHER = ['calm', 'calm', 'calm', 'busy', 'back', 'back', 'down', 'stubborn'] as const;

function turn(weather: (typeof WEATHER)[number]): void {
  for (const hands of [attic, cellar]) {
    const { name } = hands.desk.belief;
    const models = MODELS[name as keyof typeof MODELS];
    hands.doing = new Map(weather === 'busy' ? models.map((model) => [model, { kind: 'busy' }]) : []);
    hands.order = async (model) => {
      if (weather === 'stubborn') return failed(TIMEOUT);
      hands.later(50, ended(model));
      return ok('accepted');
    };
    if (weather === 'down') hands.desk.failed(UNREACHABLE);
    if (weather === 'back') {
      hands.desk.listed(
        aListing(...models.map((model) => listed(model, 'loaded', { aliases: ['default'] }))),
      );
    }
  }
}

/** The answer to a request; a second passes whenever nothing else happens. */
async function answerTo(sent: Sent): Promise<Received> {
  let waiting = true;
  const asked = client.send(sent).finally(() => {
    waiting = false;
  });
  asked.catch(() => {});
  for (let turns = 0; waiting; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (waiting && turns > 20) await clock.advance(1000);
  }
  return asked;
}

const STATUSES = [200, 202, 204, 400, 403, 404, 413, 415, 502, 503];
/** No answer here is long, whatever is sent: it would fill memories and logs of others. */
const LONGEST_ANSWER = 512 * 1024;
const TYPE = /^(application\/(?:problem\+)?json; charset=utf-8|text\/plain; charset=utf-8)$/;

/** What is wrong with an answer, whatever was asked; undefined: nothing. */
function faultOf({ method, path }: Sent, { status, headers, body, complete }: Received): string | undefined {
  const { 'content-type': type = '', 'content-length': length } = headers;
  if (!complete) return 'it is cut off';
  if (!STATUSES.includes(status)) return `its status is ${status}`;
  if (body.length > LONGEST_ANSWER) return `it has ${body.length} bytes`;
  const route = `${method} ${path.split('?')[0]}`;
  if (status === 204) return route === 'GET /api/v1/gate' && body.length === 0 ? undefined : 'it is empty';
  if (length !== String(body.length)) return `its length is not ${length}`;
  if (!TYPE.test(String(type))) return `its type is ${type}`;
  if (type === 'text/plain; charset=utf-8') {
    return route === 'POST /-/reload' && status === 200 ? undefined : 'it is no JSON';
  }
  const said = JSON.parse(body.toString());
  const isProblem = type === 'application/problem+json; charset=utf-8';
  if (isProblem && (said.status !== status || typeof said.title !== 'string')) return 'it is no problem';
  if (status < 300) return isProblem ? 'it is a problem' : undefined;
  if (status === 502) return said.outcome === 'failed' ? undefined : 'nothing failed';
  if (status === 503 && !isProblem && said.outcome !== 'refused') return 'nothing was refused';
  return status < 500 && !isProblem ? 'it is no problem' : undefined;
}

/** Sends so many requests; fast-check tells its seed, and the shortest request that fails alike. */
async function fuzz(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(strangeRequest, fc.constantFrom(...WEATHER), async (sent, weather) => {
      turn(weather);
      const received = await answerTo(sent);
      expect(faultOf(sent, received) ?? errors[0]).toBeUndefined();
      const route = `${sent.method} ${sent.path.split('?')[0]}`;
      answered.set(route, (answered.get(route) ?? new Set()).add(`${Math.floor(received.status / 100)}xx`));
    }),
    { numRuns },
  );
}

/** What is in use once everything that can go has gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

it('whatever is sent is answered whole, as JSON, without a fault of ours', () => fuzz(1000), 30_000);

it('and leaves nothing behind', async () => {
  const before = heapBytes();
  await fuzz(9000);
  // What is remembered is bounded, and that was full before. A request has a kilobyte and more: if they or what they
  // made stayed, it would be 9 MB and more. It is 2 MB, of code that was compiled.
  expect(heapBytes() - before).toBeLessThan(9000 * 1024);
  expect(Object.keys(Object.prototype)).toEqual([]);
}, 120_000);

it('was not in vain: every route took something, and refused something', () => {
  const both = [...answered].filter(([, statuses]) => statuses.has('2xx') && statuses.has('4xx'));
  expect(both.map(([route]) => route).sort()).toEqual([
    'DELETE /api/v1/hold',
    'GET /api/v1/gate',
    'GET /api/v1/hold',
    'GET /api/v1/models',
    'POST /-/reload',
    'POST /api/v1/alertmanager',
    'POST /api/v1/unload',
    'POST /api/v1/unload-all',
    'POST /unload-all',
    'POST /webhook/alertmanager',
    'PUT /api/v1/hold',
  ]);
});
