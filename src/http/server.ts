import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { formatListenAddress, type ListenAddress } from '../config/address.ts';
import type { WebTls } from '../config/web-tls.ts';
import { codeOf } from '../lib/error-code.ts';
import { createSecureServer } from './secure-server.ts';

export interface ServeOptions {
  /** The TLS settings for each new connection; absent: plain HTTP. */
  tls?: (() => WebTls) | undefined;
  /** How long a request may take to arrive, and a client may read nothing of a complete answer. */
  requestTimeoutMs?: number;
  /** How long open requests may take to end at shutdown, before their connections are cut. */
  graceMs?: number;
}

/** How often idle connections are closed during shutdown. */
const SWEEP_MS = 50;

/** An address that cannot be listened on; the cause is an error of the system. */
export class ListenError extends Error {
  readonly address: string;

  constructor(address: ListenAddress, cause: unknown) {
    super(`cannot listen on ${formatListenAddress(address)}`, { cause });
    this.address = formatListenAddress(address);
  }
}

/** Serves on all of these addresses, or rejects with a ListenError about the first that fails. */
export async function serveOn(
  handler: RequestListener,
  addresses: readonly ListenAddress[],
  options: ServeOptions,
) {
  const servers: Awaited<ReturnType<typeof serve>>[] = [];
  const close = async () => void (await Promise.all(servers.map((server) => server.close())));
  for (const address of addresses) {
    try {
      servers.push(await serve(handler, address, options));
    } catch (error) {
      await close();
      throw new ListenError(address, error);
    }
  }
  return {
    /** The first bound port; 0 with Unix sockets only. */
    port: servers.find(({ port }) => port !== 0)?.port ?? 0,
    addresses: servers.map(({ address }) => address),
    close,
  };
}

/**
 * Starts a server for scrapers: connections outlive the scrape interval, unlike with Node's default of 5 s, and slow
 * headers, bodies and readers are cut off. Rejects when it cannot listen on the address.
 */
export async function serve(
  handler: RequestListener,
  address: ListenAddress,
  { tls, requestTimeoutMs = 30_000, graceMs = 3000 }: ServeOptions = {},
) {
  const options = {
    keepAliveTimeout: 75_000,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // How often Node checks these timeouts; its default is 30 s.
    connectionsCheckingInterval: Math.min(5000, requestTimeoutMs),
    maxHeaderSize: 16_384,
  };
  const server = tls ? createSecureServer(options, handler, tls) : createServer(options, handler);
  // Node lets a client that does not read hold its answer in memory for ever.
  server.prependListener('request', (_request, response) => {
    response.once('prefinish', () => {
      const { socket } = response;
      socket?.setTimeout(requestTimeoutMs);
      // Before Node sets the limit for idle connections.
      response.prependOnceListener('finish', () => socket?.setTimeout(0));
    });
  });
  const unused = unusedConnections(server, tls ? 'secureConnection' : 'connection');
  if (address.path !== undefined) await removeStaleSocket(address.path);
  const listening = once(server, 'listening');
  // Node creates a socket before `listen` returns: with a mode for its owner and group, who may connect.
  const mask = address.path === undefined ? undefined : process.umask(0o117);
  server.listen(address);
  if (mask !== undefined) process.umask(mask);
  await listening;
  const bound = server.address();
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
  return {
    /** The bound port; 0 for a Unix socket. */
    port,
    /** With the bound port. */
    address: formatListenAddress(address, port),
    /** Lets open requests finish and resolves when all connections are closed, within seconds. */
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of unused) socket.destroy();
      // Repeatedly: a connection becomes idle when its request ends.
      server.closeIdleConnections();
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

/** The connections on which no request has come, as browsers open them in advance: for Node they are not idle. */
function unusedConnections(server: Server, event: 'connection' | 'secureConnection'): ReadonlySet<Socket> {
  const unused = new Set<Socket>();
  server.on(event, (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', ({ socket }) => unused.delete(socket));
  return unused;
}

/**
 * Removes a socket that no program listens on any more, as after a crash; rejects, as `listen` does, if the path is
 * anything else or its folder is missing, for which `listen` has no code.
 */
async function removeStaleSocket(path: string): Promise<void> {
  const refused = (code: string) =>
    Object.assign(new Error(`cannot listen on ${path}: ${code}`), { code, syscall: 'listen' });
  const found = await lstat(path).catch(codeOf);
  if (found === 'ENOENT') {
    const folder = await lstat(dirname(path)).catch(codeOf);
    if (typeof folder === 'string') throw refused(folder);
    return;
  }
  if (typeof found === 'string') throw refused(found);
  const code = found.isSocket() ? await connectCode(path) : 'ENOTSOCK';
  if (code !== 'ECONNREFUSED') throw refused(code ?? 'EADDRINUSE');
  await unlink(path);
}

/** Why no connection to a socket can be made; undefined if one can. */
function connectCode(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect(path, () => {
      client.destroy();
      resolve(undefined);
    }).on('error', (error) => resolve(codeOf(error)));
  });
}
