import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A loopback TCP proxy whose connections can be cut, as a network would. */
export interface TcpProxy {
  readonly port: number;
  /** Breaks every connection and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  /** Connections stay open, but nothing comes through any more from the server: a half-open link. */
  freeze(): void;
  /** The HTTP requests that came through so far, as `GET /path`. */
  readonly requests: readonly string[];
  /** How many connections there were so far, and how many of them are open. */
  connections(): { total: number; open: number };
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<[Socket, Socket]>();
  const requests: string[] = [];
  let isCut = false;
  let total = 0;
  const server = createServer((client) => {
    total += 1;
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(targetPort, '127.0.0.1');
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    client.on('data', (data: Buffer) => requests.push(...requestLinesIn(data.toString('latin1'))));
    client.pipe(upstream);
    upstream.pipe(client);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutAll = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    cut() {
      isCut = true;
      cutAll();
    },
    mend() {
      isCut = false;
    },
    freeze() {
      for (const [client, upstream] of pairs) upstream.unpipe(client).resume();
    },
    connections: () => ({ total, open: pairs.size }),
    async close() {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Requests of an HTTP client that does not split its heads. */
function requestLinesIn(sent: string): string[] {
  return [...sent.matchAll(/^([A-Z]+ \S+) HTTP\/1\.1\r$/gm)].map(([, line = '']) => line);
}
