import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createApp } from '../../src/http/app.ts';
import { ListenError, serve, serveOn } from '../../src/http/server.ts';
import { anAccess, aToken, bearer } from '../support/access.ts';
import { appParts } from '../support/app-parts.ts';
import { aBusyFleet } from '../support/fleets.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';

it('closes when its last request ends, even with keep-alive connections', async () => {
  let finish: (() => void) | undefined;
  const server = await serve(
    (_: IncomingMessage, response: ServerResponse) => {
      finish = () => response.end('done');
    },
    { host: '127.0.0.1', port: 0 },
    { graceMs: 3_600_000 },
  );
  const agent = new Agent({ keepAlive: true });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    get(`http://127.0.0.1:${server.port}`, { agent }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    }).on('error', reject);
  });
  const answer = await until('the request', () => finish, { everyMs: 1 });
  const closed = server.close();
  answer();
  expect(await answered).toBe(200);
  await closed;
  agent.destroy();
});

it('closes connections without a request at once', async () => {
  const server = await serve(() => {}, { host: '127.0.0.1', port: 0 }, { graceMs: 3_600_000 });
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  await fetch(`http://127.0.0.1:${server.port}`, { signal: AbortSignal.timeout(50) }).catch(() => {});
  await Promise.all([server.close(), once(socket, 'close')]);
});

it('cuts requests that do not end after the grace period', async () => {
  let isAsked = false;
  const ask = () => (isAsked = true);
  const server = await serve(ask, { host: '127.0.0.1', port: 0 }, { graceMs: 50 });
  const asked = fetch(`http://127.0.0.1:${server.port}`).catch(() => 'cut');
  await until('the request', () => isAsked, { everyMs: 1 });
  await server.close();
  expect(await asked).toBe('cut');
});

describe('a client that does not read', () => {
  const large = Buffer.alloc(64 * 1024 * 1024);

  /** A connection that has sent this to a server which sends a large answer, or a small one, at once or later. */
  async function connection(requests: string) {
    const server = await serve(
      ({ url }: IncomingMessage, response: ServerResponse) => {
        if (url === '/large') response.end(large);
        else setTimeout(() => response.end('small'), url === '/later' ? 200 : 0);
      },
      { host: '127.0.0.1', port: 0 },
      { requestTimeoutMs: 50, graceMs: 0 },
    );
    const socket = connect(server.port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.write(requests);
    return { server, socket };
  }
  const asking = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

  it('is cut off', async () => {
    const { server, socket } = await connection(asking('/large'));
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.resume();
    await once(socket, 'close');
    expect(socket.bytesRead).toBeLessThan(large.length);
    await server.close();
  });

  it('is cut off because of that only: the next answer on its connection may take its time', async () => {
    const { server, socket } = await connection(asking('/small') + asking('/later'));
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    await until('both answers', () => received.split('small').length === 3 || socket.closed, { everyMs: 5 });
    expect(received.split('small')).toHaveLength(3);
    socket.destroy();
    await server.close();
  });
});

describe('several addresses', () => {
  const folder = scratchFolder();
  const tcp = { host: '127.0.0.1', port: 0 };
  const socketAt = (name: string) => ({ path: join(folder, name) });
  const hello = (_: IncomingMessage, response: ServerResponse) => void response.end('hello');

  /** The status and body that come over a socket. */
  function ask(
    path: string,
    method: string,
    target: string,
    headers = {},
  ): Promise<[number | undefined, string]> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: path, method, path: target, headers }, (answer) => {
        let text = '';
        answer.on('data', (part) => (text += part)).on('end', () => resolve([answer.statusCode, text]));
      });
      sent.on('error', reject).end();
    });
  }

  it('are all served; the socket is for owner and group, and gone at the end', async () => {
    const socket = socketAt('both.sock');
    const server = await serveOn(hello, [socket, tcp], {});
    expect(server.addresses).toEqual([`unix:${socket.path}`, `127.0.0.1:${server.port}`]);
    expect(await (await fetch(`http://127.0.0.1:${server.port}`)).text()).toBe('hello');
    expect(await ask(socket.path, 'GET', '/')).toEqual([200, 'hello']);
    expect(statSync(socket.path).mode & 0o777).toBe(0o660);
    await server.close();
    expect(existsSync(socket.path)).toBe(false);
  });

  it('are closed again when one of them fails', async () => {
    const socket = socketAt('first.sock');
    const other = await serve(hello, tcp);
    const failure = await serveOn(hello, [socket, { ...tcp, port: other.port }], {}).catch((error) => error);
    expect(failure).toBeInstanceOf(ListenError);
    expect(failure).toMatchObject({ address: `127.0.0.1:${other.port}`, cause: { code: 'EADDRINUSE' } });
    expect(existsSync(socket.path)).toBe(false);
    await other.close();
  });

  it('replace a socket that no program listens on', async () => {
    const socket = socketAt('stale.sock');
    const crashed = createServer().listen(`${socket.path}.before`);
    await once(crashed, 'listening');
    renameSync(`${socket.path}.before`, socket.path);
    await new Promise((resolve) => crashed.close(resolve));
    expect(existsSync(socket.path)).toBe(true);
    const server = await serveOn(hello, [socket], {});
    expect(await ask(socket.path, 'GET', '/')).toEqual([200, 'hello']);
    await server.close();
  });

  it('leave a socket in use, and other files, alone', async () => {
    const [used, file] = [socketAt('used.sock'), socketAt('file')];
    const other = await serveOn(hello, [used], {});
    writeFileSync(file.path, 'precious');
    const codes = [used, file].map((socket) =>
      serveOn(hello, [socket], {}).catch((error) => error.cause.code),
    );
    expect(await Promise.all(codes)).toEqual(['EADDRINUSE', 'ENOTSOCK']);
    expect(await ask(used.path, 'GET', '/')).toEqual([200, 'hello']);
    expect(readFileSync(file.path, 'utf8')).toBe('precious');
    await other.close();
  });

  it('a caller over a socket reads, and acts only with a token: it may be a proxy', async () => {
    const socket = socketAt('app.sock');
    const access = anAccess();
    const server = await serveOn(createApp(appParts(aBusyFleet(), { auth: access.auth })), [socket], {});
    const NO_HOLD = '/api/v1/holds/4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';
    const act = (headers = {}) => ask(socket.path, 'DELETE', NO_HOLD, { Host: 'localhost', ...headers });
    expect((await ask(socket.path, 'GET', '/metrics'))[0]).toBe(200);
    expect(await act()).toEqual([
      403,
      expect.stringContaining('over a Unix socket the caller may be a proxy'),
    ]);
    access.tokens.push(aToken('operator'));
    expect([(await act())[0], (await act(bearer('operator')))[0]]).toEqual([401, 404]);
    await server.close();
  });
});
