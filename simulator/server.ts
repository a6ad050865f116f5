import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
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

interface ServerParts {
  readonly intercept: Intercept;
  readonly stream: EventStream;
  routes(): Routes;
}

/** The listening socket of a router, and its connections. */
export type RunningServer = Awaited<ReturnType<typeof openServer>>;

/** Port 0 is any free port. Rejects when the port is taken. */
export async function openServer(port: number, host: string, parts: ServerParts) {
  const server = createServer((request, response) => {
    // A client that has gone needs no answer.
    response.on('error', () => {});
    answer(request, response, parts).catch((error: unknown) => response.destroy(error as Error));
  });
  await once(server.listen(port, host), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Stops listening and breaks every connection, as the end of the process does. */
    async destroy(): Promise<void> {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
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
  const body = Buffer.concat(await incoming.toArray()).toString('utf8');
  const request = { method, path, query, body, headers };
  const result = await intercept(request, response, () => routes()(request));
  if (result === 'stream') stream.attach(response);
  else if (result) write(response, result);
}

export function write(response: ServerResponse, { status, type, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
