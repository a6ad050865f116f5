import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Answer } from './answer.ts';
import type { EventStream } from './events.ts';
import type { Routes, SimulatorRequest } from './routes.ts';

/**
 * Stands between a request and its answer: tests let servers misbehave with it. It answers by itself and returns
 * nothing, or returns the answer to send: `answer()` is the simulator's own.
 */
export type Intercept = (
  request: SimulatorRequest & Pick<IncomingMessage, 'headers'>,
  response: ServerResponse,
  answer: () => Promise<Answer | 'stream'>,
) => Promise<Answer | 'stream' | undefined>;

export interface ServerParts {
  readonly intercept: Intercept | undefined;
  readonly stream: EventStream;
  routes(): Routes;
}

/** The listening socket of a router, and its connections. */
export interface RunningServer {
  readonly port: number;
  /** Stops listening and breaks every connection, as the end of the process does. */
  destroy(): Promise<void>;
}

/** Port 0 is any free port. Rejects when the port is taken. */
export async function openServer(
  address: { readonly host: string; readonly port: number },
  parts: ServerParts,
): Promise<RunningServer> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    // A client that has gone needs no answer.
    response.on('error', () => {});
    answer(request, response, parts).catch((error: unknown) => response.destroy(error as Error));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await listening(server, address);
  return {
    port: (server.address() as AddressInfo).port,
    async destroy() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  { intercept, stream, routes }: ServerParts,
): Promise<void> {
  const { method = 'GET', url = '/', headers } = incoming;
  const { pathname: path, searchParams: query } = new URL(url, 'http://router');
  response.setHeader('Server', 'llama.cpp');
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const request = { method, path, query, body: Buffer.concat(chunks).toString('utf8'), headers };
  const own = () => routes()(request);
  const result = intercept ? await intercept(request, response, own) : await own();
  if (result === 'stream') stream.attach(response);
  else if (result) write(response, result);
}

export function write(response: ServerResponse, { status, type, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
