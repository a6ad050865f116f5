import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer } from './answer.ts';

export interface SimulatorRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** The object in the body: empty if that is another value, undefined if it is no JSON. */
  readonly json: JsonObject | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A whole answer, or what writes one piece by piece. */
export type Served = Answer | ((response: ServerResponse) => void);

export type Routes = (request: SimulatorRequest) => Promise<Served>;

type ReceivedRequest = SimulatorRequest & Pick<IncomingMessage, 'headers'>;

/** Answers by itself and returns nothing, or returns the answer to send. */
type Handler = (request: ReceivedRequest, response: ServerResponse) => Promise<Served | undefined>;

/** Stands between a request and its answer: tests let servers misbehave with it. `answer()` is the simulator's own. */
export type Intercept = (
  request: ReceivedRequest,
  response: ServerResponse,
  answer: () => Promise<Served>,
) => Promise<Served | undefined>;

/** A listening socket and its connections. */
export type RunningServer = Awaited<ReturnType<typeof openServer>>;

/** Port 0 is any free port. Rejects when the port is taken. */
export async function openServer(port: number, host: string, handle: Handler) {
  const server = createServer((request, response) => {
    // A client that has gone needs no answer.
    response.on('error', () => {});
    answer(request, response, handle).catch((error: unknown) => response.destroy(error as Error));
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

/** A server on loopback, or where `listen` says. `software` is its Server header. */
export function createListener(
  routes: Routes,
  intercept: Intercept = (_request, _response, answer) => answer(),
  software = '',
) {
  const handle: Handler = (request, response) => {
    if (software !== '') response.setHeader('Server', software);
    return intercept(request, response, () => routes(request));
  };
  let server: RunningServer | undefined;
  let port = 0;
  const url = () => `http://127.0.0.1:${port}`;
  return {
    url,
    /** Port 0 is any free port. */
    async listen(wanted = 0, host = '127.0.0.1'): Promise<{ url: string }> {
      server = await openServer(wanted, host, handle);
      port = server.port;
      return { url: url() };
    },
    /** Breaks every connection. Harmless when it does not listen. */
    async close(): Promise<void> {
      const closing = server;
      server = undefined;
      await closing?.destroy();
    },
  };
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handle: Handler): Promise<void> {
  const { method = 'GET', url = '/', headers } = incoming;
  const { pathname: path, searchParams: query } = new URL(url, 'http://simulator');
  const body = Buffer.concat(await incoming.toArray()).toString('utf8');
  const result = await handle({ method, path, query, body, json: objectIn(body), headers }, response);
  if (typeof result === 'function') result(response);
  else if (result) write(response, result);
}

function objectIn(body: string): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as JsonObject) : {};
  } catch {
    return undefined;
  }
}

export function write(response: ServerResponse, { status, type, body }: Answer): void {
  if (response.destroyed) return;
  if (type !== '') response.setHeader('Content-Type', type);
  response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
