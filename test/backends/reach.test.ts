import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createRouterClient } from '../../src/backends/llama-server/client.ts';
import { createProbe } from '../../src/backends/probe.ts';
import { loadConfig } from '../../src/config/load.ts';
import { asNobody } from '../support/as-nobody.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const scratch = scratchFolder();
const TLS = join(import.meta.dirname, '..', 'fixtures', 'tls');
const tls = (name: string) => readFileSync(join(TLS, name), 'utf8');
const never = new AbortController().signal;
const LISTING = '{"data":[{"id":"a","status":{"value":"loaded"}}]}';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The endpoint of the router in a configuration with this URL and these variables. */
function endpoint(url: string, env: Record<string, string> = {}) {
  const [router] = loadConfig({ env, flags: { router: [url] } }).routers;
  if (router === undefined) throw new Error('a router was expected');
  return { ...router, requestTimeoutMs: 2000, modelTimeoutMs: 2000 };
}

/** What a listing of the router is answered, as `ok` or the message of its fault. */
async function list(url: string, env: Record<string, string> = {}): Promise<string> {
  const client = createRouterClient(endpoint(url, env));
  try {
    const answer = await client.list(never);
    return answer.ok ? 'ok' : answer.fault.message.replace(/\(unable to .*\)/, '(UNTRUSTED)');
  } finally {
    await client.close();
  }
}

/** Starts a server until the end of the test, and resolves with its port. */
async function started(server: Server, at: string | number = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return typeof at === 'string' ? 0 : (server.address() as AddressInfo).port;
}

const listing: RequestListener = (_, response) => response.end(LISTING);

describe('a router at a Unix socket', () => {
  const socket = join(scratch, 'llama.sock');

  it('is followed, with its base path', async () => {
    const asked: string[] = [];
    await started(
      createServer((request, response) => {
        asked.push(`${request.headers.host} ${request.url}`);
        response.end(LISTING);
      }),
      socket,
    );
    expect(await list(`unix:${socket}`)).toBe('ok');
    expect(await list(`${socket}:/llama`)).toBe('ok');
    expect(asked).toEqual(['localhost /models', 'localhost /llama/models']);
    const probe = createProbe(endpoint(socket));
    ends.push(probe.close);
    expect((await probe.ask('/props', never)).kind).toBe('said');
    expect(probe.peer()).toBe(socket);
  });

  it('that is missing, not permitted, or not listening is a fault that names it', async () => {
    const at = `unix:${socket}:/models`;
    expect(await list(socket)).toBe(`${at}: the socket does not exist: is the server running there?`);
    expect(await list(`${TLS}/ca.pem/llama.sock`)).toContain(': the socket does not exist');
    writeFileSync(socket, '');
    expect(await list(socket)).toBe(`${at} refuses connections: is the server running there?`);
    rmSync(socket);
    await started(createServer(listing), socket);
    chmodSync(socket, 0o700);
    expect(await asNobody(() => list(socket))).toBe(`${at}: permission denied`);
  });
});

describe('a user and a password', () => {
  const env = { LLAMA_SERVER_USERNAME: 'exporter', LLAMA_SERVER_PASSWORD: 'pass:wörd' };
  const guarded: RequestListener = ({ headers }, response) => {
    const user = `Basic ${Buffer.from('exporter:pass:wörd').toString('base64')}`;
    if (headers.authorization === user) response.end(LISTING);
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="llama"' }).end();
  };

  it('are sent to the proxy, by the doctor too', async () => {
    const port = await started(createServer(guarded));
    const url = `http://127.0.0.1:${port}`;
    expect(await list(url, env)).toBe('ok');
    const probe = createProbe(endpoint(url, env));
    ends.push(probe.close);
    expect(await probe.ask('/props', never)).toMatchObject({ status: 200 });
    const wrong = 'it requires a user and a password (username, password_file), or others';
    expect(await list(url)).toBe(`${url}/models answers 401: ${wrong}`);
    expect(await list(url, { ...env, LLAMA_SERVER_PASSWORD: 'other' })).toBe(
      `${url}/models answers 401: ${wrong}`,
    );
  });

  it('leave the API key to X-Api-Key, which llama-server reads when there is no Authorization', async () => {
    let sent = {};
    const port = await started(
      createServer(({ headers }, response) => {
        sent = { authorization: headers.authorization?.slice(0, 5), key: headers['x-api-key'] };
        response.end(LISTING);
      }),
    );
    await list(`http://127.0.0.1:${port}`, { ...env, LLAMA_API_KEY: 'sk-1' });
    expect(sent).toEqual({ authorization: 'Basic', key: 'sk-1' });
  });
});

describe('a router with a certificate of its own CA', () => {
  const ca = join(scratch, 'ca.pem');
  const server = () => createTlsServer({ cert: tls('server.pem'), key: tls('server-key.pem') }, listing);

  it('is trusted with ca_file, and only that router', async () => {
    const url = `https://localhost:${await started(server())}`;
    expect(await list(url, { LLAMA_SERVER_CA_FILE: join(TLS, 'ca.pem') })).toBe('ok');
    expect(await list(url)).toBe(`${url}/models: its CA is not trusted: set ca_file (UNTRUSTED)`);
    const other = join(TLS, 'stranger.pem');
    expect(await list(url, { LLAMA_SERVER_CA_FILE: other })).toBe(
      `${url}/models: its CA is not in ${other} (UNTRUSTED)`,
    );
  });

  it('is also trusted by its own certificate, without that of the CA', async () => {
    const url = `https://localhost:${await started(server())}`;
    expect(await list(url, { LLAMA_SERVER_CA_FILE: join(TLS, 'server.pem') })).toBe('ok');
  });

  it('must have the name of the URL, or of host_header', async () => {
    const port = await started(server());
    const env = { LLAMA_SERVER_CA_FILE: join(TLS, 'ca.pem') };
    expect(await list(`https://127.0.0.2:${port}`, env)).toMatch(/does not match certificate's altnames/);
    expect(await list(`https://127.0.0.2:${port}`, { ...env, LLAMA_SERVER_HOST_HEADER: 'localhost' })).toBe(
      'ok',
    );
  });

  it('is trusted as soon as the file changes, and stays so while the file is replaced', async () => {
    copyFileSync(join(TLS, 'stranger.pem'), ca);
    const url = `https://localhost:${await started(server())}`;
    const client = createRouterClient(endpoint(url, { LLAMA_SERVER_CA_FILE: ca }));
    ends.push(client.close);
    const attempt = async () => {
      // A new connection each time.
      const answer = await client.metrics('a', never);
      return answer.ok ? 'ok' : answer.fault.message.replace(/^.* \(unable to .*\)/, '(UNTRUSTED)');
    };
    expect(await attempt()).toBe('(UNTRUSTED)');
    copyFileSync(join(TLS, 'ca.pem'), ca);
    expect(await attempt()).toBe('ok');
    rmSync(ca);
    expect(await attempt()).toBe('ok');
    copyFileSync(join(TLS, 'stranger.pem'), ca);
    expect(await attempt()).toBe('(UNTRUSTED)');
  });

  it('whose file is gone before the first connection is a fault that names it', async () => {
    copyFileSync(join(TLS, 'ca.pem'), ca);
    const given = endpoint('https://localhost:1', { LLAMA_SERVER_CA_FILE: ca });
    rmSync(ca);
    const client = createRouterClient(given);
    ends.push(client.close);
    const message = `https://localhost:1/models: ca_file ${ca} does not exist: check the path`;
    expect(await client.list(never)).toMatchObject({ fault: { message } });
  });
});

it('the header Host is that of host_header', async () => {
  const port = await started(
    createServer(({ headers }, response) => {
      if (headers.host === 'localhost:8080') response.end(LISTING);
      else response.writeHead(403).end('{"error":{"message":"Host not allowed"}}');
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  expect(await list(url, { LLAMA_SERVER_HOST_HEADER: 'localhost:8080' })).toBe('ok');
  expect(await list(url)).toBe(
    `${url}/models answers 403: it does not accept this Host header: set host_header`,
  );
});

it('a model that rejects the API key of its router is a lasting fault with its remedy', async () => {
  const port = await started(
    createServer(({ url }, response) => {
      if (url === '/models') response.end(LISTING);
      else response.writeHead(401).end('{"error":{"message":"Invalid API Key"}}');
    }),
  );
  const client = createRouterClient(endpoint(`http://127.0.0.1:${port}`, { LLAMA_API_KEY: 'sk-1' }));
  ends.push(client.close);
  expect(await client.list(never)).toMatchObject({ ok: true });
  const message =
    'answers 401: the model rejects the API key: configure a key of its --api-key-file, or update llama.cpp';
  expect(await client.metrics('a', never)).toMatchObject({
    fault: { kind: 'unauthorized', message: expect.stringContaining(message) },
  });
});
