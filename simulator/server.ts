import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../src/lib/clock.ts';
import { type Answer, unauthorized } from './answer.ts';
import { suffer, type TakeableFaults, write } from './faults.ts';
import type { ListedModel } from './listed-model.ts';
import type { WritableRequestLog } from './request-log.ts';
import type { Routes } from './routes.ts';
import type { AttachableStream } from './stream.ts';

export interface ServerParts {
  readonly apiKey: string | undefined;
  readonly clock: Clock;
  readonly faults: TakeableFaults;
  readonly log: WritableRequestLog;
  readonly stream: AttachableStream;
  routes(): Routes;
  find(name: string): ListedModel | undefined;
}

/** The listening socket of a router, and everybody connected to it. */
export interface RunningServer {
  readonly port: number;
  /** Stops listening and breaks every connection, as the end of the process would. */
  destroy(): Promise<void>;
}

const PUBLIC = new Set(['/', '/health', '/v1/health']);

/** Port 0 is any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Rejects when the port is taken. */
export async function openServer(address: ListenAddress, parts: ServerParts): Promise<RunningServer> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    // Whoever has gone in the meantime cannot be answered, and need not be.
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

async function answer(request: IncomingMessage, response: ServerResponse, parts: ServerParts): Promise<void> {
  const { clock, faults, log, stream } = parts;
  const { method = 'GET', url = '/' } = request;
  const { pathname: path, searchParams: query } = new URL(url, 'http://router');
  const model = query.get('model');
  const logged = { method, path, query: url.split('?')[1] ?? '', at: clock.wall() };
  response.on('close', log.begin(logged, parts.find(model ?? '')));
  response.setHeader('Server', 'llama.cpp');

  const body = await bodyOf(request);
  const respond = async (): Promise<Answer | 'stream'> => {
    if (!PUBLIC.has(path) && !isAuthorized(request, parts.apiKey)) return unauthorized;
    return parts.routes()({ method, path, query, body });
  };
  const fault = faults.take(path, model);
  if (fault) {
    return suffer(fault, response, () => respond().then(withoutStream), clock);
  }
  const answer = await respond();
  if (answer === 'stream') stream.attach(response);
  else write(response, answer);
}

/** A fault that ends in the right answer has none to end in on the stream: it stays silent. */
function withoutStream(answer: Answer | 'stream'): Answer {
  return answer === 'stream' ? { status: 200, type: 'text/event-stream', body: '' } : answer;
}

function isAuthorized({ headers }: IncomingMessage, apiKey: string | undefined): boolean {
  const given = headers.authorization ?? headers['x-api-key'] ?? '';
  return apiKey === undefined || String(given).replace(/^Bearer /, '') === apiKey;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function listening(server: Server, { host, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
