import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { onWall } from '../../src/hold/hold.ts';
import { aHold } from '../support/a-hold.ts';
import { aLog } from '../support/a-log.ts';
import type { Received, Sent } from '../support/kept-alive.ts';
import { serveApp, WEATHER } from '../support/served-app.ts';
import { HOLD, strangeRequest } from '../support/strange-requests.ts';

const errors: string[] = [];
const log = aLog((line) => errors.push(line), 'error');
let reloads = 0;
/** The kinds of answers that each route has given. */
const answered = new Map<string, Set<string>>();
/** One for all requests. */
let app: Awaited<ReturnType<typeof serveApp>>;

beforeAll(async () => {
  const reload = async () => (++reloads % 2 === 0 ? {} : { error: 'line 3: it is no configuration' });
  app = await serveApp({ reload, log });
});
afterAll(() => app.close());

const STATUSES = [200, 201, 202, 204, 400, 403, 404, 409, 413, 415, 502, 503];
/** No answer is longer, so that it cannot fill memory and logs of clients. The list of operations has a hundred. */
const LONGEST_ANSWER = 512 * 1024;
const TYPE = /^(application\/(?:problem\+)?json; charset=utf-8|text\/plain; charset=utf-8)$/;

/** What is wrong with an answer to any request; undefined: nothing. */
function faultOf({ method, path }: Sent, { status, headers, body, complete }: Received): string | undefined {
  const { 'content-type': type = '', 'content-length': length } = headers;
  if (!complete) return 'it is cut off';
  if (!STATUSES.includes(status)) return `its status is ${status}`;
  const route = `${method} ${path.split('?')[0]}`;
  const longest = route === 'GET /api/v1/operations' ? 100 * LONGEST_ANSWER : LONGEST_ANSWER;
  if (body.length > longest) return `it has ${body.length} bytes`;
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
  if (status === 502)
    return said.outcome === 'failed' || said.state === 'failed' ? undefined : 'nothing failed';
  if (status === 503 && !isProblem && said.outcome !== 'refused') return 'nothing was refused';
  return status < 500 && !isProblem ? 'it is no problem' : undefined;
}

/** Mostly models are loaded, and unload on request. */
const weather = fc.constantFrom(...WEATHER, 'calm', 'calm', 'back');

/** Sends random requests; fast-check reports its seed and the shortest request that fails. */
async function fuzz(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(strangeRequest, weather, async (sent, now) => {
      app.turn(now);
      app.parts.holds.restore([
        onWall(aHold(app.clock.now() + 60_000, { id: HOLD, routers: ['attic'] }), app.clock),
      ]);
      const received = await app.ask(sent);
      const fault = faultOf(sent, received) ?? errors[0];
      if (fault !== undefined) throw new Error(fault);
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

it('every request gets a complete answer in JSON, without an internal error', () => fuzz(1000), 30_000);

it('requests leave no memory behind', async () => {
  const before = heapBytes();
  await fuzz(2000);
  // What is remembered is bounded, and that was full before. A request has a kilobyte and more: if they or what they
  // made stayed, it would be 2 MB and more. It is half of that, of code that was compiled.
  expect(heapBytes() - before).toBeLessThan(2000 * 1024);
  expect(Object.keys(Object.prototype)).toEqual([]);
}, 120_000);

it('every route accepted and refused some requests', () => {
  const both = [...answered].filter(([, statuses]) => statuses.has('2xx') && statuses.has('4xx'));
  expect(both.map(([route]) => route).sort()).toEqual([
    `DELETE /api/v1/holds/${HOLD}`,
    'GET /api/v1/gate',
    'GET /api/v1/holds',
    'GET /api/v1/models',
    'GET /api/v1/operations',
    `PATCH /api/v1/holds/${HOLD}`,
    'POST /-/reload',
    'POST /api/v1/alertmanager',
    'POST /api/v1/holds',
    'POST /api/v1/unload',
    'POST /api/v1/unload-all',
    'POST /api/v1/usage',
    'POST /unload-all',
    'POST /webhook/alertmanager',
    'PUT /webhook/grafana',
  ]);
});
