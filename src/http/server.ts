import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WebTls } from '../config/web-tls.ts';
import { createSecureServer } from './secure-server.ts';

export interface ListenAddress {
  /** Absent: every interface. */
  host?: string;
  /** 0: a free one. */
  port: number;
}

export interface ServeOptions {
  /** HTTPS, as this says whenever a connection begins; absent: plain HTTP. */
  tls?: (() => WebTls) | undefined;
  /** How long a request may take to arrive. */
  requestTimeoutMs?: number;
  /** How long open requests may take to end at shutdown, before their connections are cut. */
  graceMs?: number;
}

/** Between two looks, while we shut down, at which connections have nothing more to do. */
const SWEEP_MS = 50;

/**
 * A server for scrapers: connections outlive the scrape interval (Node's 5 s would make every scrape a new
 * one), headers and bodies must come in time. Rejects when the address cannot be had.
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
    // Node looks for late requests this often; by itself only every 30 s.
    connectionsCheckingInterval: Math.min(5000, requestTimeoutMs),
    maxHeaderSize: 16_384,
  };
  const server = tls ? createSecureServer(options, handler, tls) : createServer(options, handler);
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Takes no new connection, lets open requests end, and resolves when all are gone: within seconds. */
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Again and again: one whose request has ended is kept open for the next.
      server.closeIdleConnections();
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
