import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import express from 'express';
import { createApp } from '../../../src/http/app.ts';
import { jsonBody } from '../../../src/http/body.ts';
import { problemHandler } from '../../../src/http/problem.ts';
import { serve } from '../../../src/http/server.ts';
import { aLog } from '../../support/a-log.ts';
import { anAccess, aToken } from '../../support/access.ts';
import { appParts } from '../../support/app-parts.ts';
import { aBusyFleet } from '../../support/fleets.ts';
import { rawRequest, sendRaw } from '../../support/raw-http.ts';

/** Requests that no client library sends, over a socket. */

const REQUEST_TIMEOUT_MS = 300;
const access = anAccess([aToken('operator')]);
const TOKEN = { Authorization: 'Bearer token-of-operator-0123' };
let logged = '';
const log = aLog((line) => (logged += line), 'error');
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  const app = createApp(
    appParts(aBusyFleet(), {
      auth: access.auth,
      reload: async () => ({}),
      log,
    }),
  );
  const acting = express();
  acting.post('/act', access.auth.requireWrite(), jsonBody(), (request, response) => {
    response.json(request.body);
  });
  acting.use(problemHandler(log));
  server = await serve(
    (request, response) => (request.url === '/act' ? acting(request, response) : app(request, response)),
    { host: '127.0.0.1', port: 0 },
    { requestTimeoutMs: REQUEST_TIMEOUT_MS },
  );
});
afterAll(async () => {
  await server.close();
});

const ask = (line: string, headers: Record<string, string> = {}, body = '') =>
  sendRaw(server.port, rawRequest(line, headers, body));

describe('headers', () => {
  it.each<[number, number]>([
    [10_000, 200],
    [20_000, 431],
  ])('of %d bytes are answered by %d', async (bytes, status) => {
    expect((await ask('GET /metrics', { 'X-Long': 'x'.repeat(bytes) })).status).toBe(status);
  });

  it('that expect something else are refused', async () => {
    expect((await ask('POST /act', { ...TOKEN, Expect: 'miracles' })).status).toBe(417);
  });
});

describe('a body that is slow', () => {
  const JSON_TYPE = { 'Content-Type': 'application/json' };

  it('is cut off in time, and delays no other request', async () => {
    const slow = ask('POST /act', { ...TOKEN, ...JSON_TYPE, 'Content-Length': '100' }, '{"reason":');
    expect((await ask('GET /metrics')).status).toBe(200);
    expect((await slow).status).toBe(408);
  });

  it('is not waited for where it would be refused anyway', async () => {
    const headers = { ...JSON_TYPE, 'Content-Length': '100' };
    expect((await ask('POST /act', headers, '{')).status).toBe(401);
    expect(
      (await ask('POST /act', { ...TOKEN, 'Content-Length': '100', 'Content-Type': 'text/plain' })).status,
    ).toBe(415);
    expect((await ask('POST /act', { ...TOKEN, ...JSON_TYPE, 'Content-Length': '2000000' })).status).toBe(
      413,
    );
  });

  it('that never ends is cut off at a megabyte', async () => {
    const chunked = { ...TOKEN, ...JSON_TYPE, 'Transfer-Encoding': 'chunked', Connection: 'keep-alive' };
    const part = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const { status, text } = await ask('POST /act', chunked, part.repeat(17));
    expect([status, /^Connection: close/im.test(text)]).toEqual([413, true]);
  });

  it('whose sender goes away is forgotten', async () => {
    const gone = sendRaw(
      server.port,
      rawRequest('POST /act', { ...TOKEN, ...JSON_TYPE, 'Content-Length': '9' }),
      20,
    );
    expect((await gone).status).toBeNaN();
    expect((await ask('GET /metrics')).status).toBe(200);
    expect(logged).toBe('');
  });

  it('is read in parts, and asked for when the client waits to be', async () => {
    const chunked = { ...TOKEN, ...JSON_TYPE, 'Transfer-Encoding': 'chunked', Expect: '100-continue' };
    const { text } = await ask('POST /act', chunked, '2\r\n{}\r\n0\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue[\s\S]*HTTP\/1\.1 200 OK[\s\S]*\{\}$/);
  });

  it('of two lengths is refused', async () => {
    const both = { ...TOKEN, ...JSON_TYPE, 'Content-Length': '2', 'Transfer-Encoding': 'chunked' };
    expect((await ask('POST /act', both, '{}')).status).toBe(400);
  });
});

it('headers that are slow are cut off in time', async () => {
  expect((await sendRaw(server.port, 'POST /-/reload HTTP/1.1\r\nHost: loc')).status).toBe(408);
});
