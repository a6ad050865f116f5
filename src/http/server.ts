import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ListenAddress {
  /** Absent: every interface. */
  host?: string;
  /** 0: a free one. */
  port: number;
}

/** Open requests may take this long to end when we shut down; then their connections are cut. */
const GRACE_MS = 3000;

/**
 * A server for scrapers: connections outlive the scrape interval (Node's 5 s would make every scrape a new
 * one), headers and bodies must come in time. Rejects when the address cannot be had.
 */
export async function serve(handler: RequestListener, address: ListenAddress) {
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 30_000, requestTimeout: 30_000, maxHeaderSize: 16_384 },
    handler,
  );
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Takes no new connection, lets open requests end, and resolves when all are gone: within seconds. */
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
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
