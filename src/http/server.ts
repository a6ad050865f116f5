import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../config/address.ts';
import type { WebTls } from '../config/web-tls.ts';
import { createSecureServer } from './secure-server.ts';

export interface ServeOptions {
  /** The TLS settings for each new connection; absent: plain HTTP. */
  tls?: (() => WebTls) | undefined;
  /** How long a request may take to arrive. */
  requestTimeoutMs?: number;
  /** How long open requests may take to end at shutdown, before their connections are cut. */
  graceMs?: number;
}

/** How often idle connections are closed during shutdown. */
const SWEEP_MS = 50;

/**
 * Starts a server for scrapers: connections outlive the scrape interval, unlike with Node's default of 5 s, and slow
 * headers and bodies are cut off. Rejects when it cannot listen on the address.
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
  server.listen(address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Lets open requests finish and resolves when all connections are closed, within seconds. */
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
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
