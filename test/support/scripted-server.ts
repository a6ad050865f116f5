import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { until } from './until.ts';

/** A server that follows a script and counts its connections. */
export interface ScriptedServer {
  readonly port: number;
  readonly url: string;
  /** Open connections. */
  readonly connections: number;
  /** Connections since the start. */
  readonly accepted: number;
  /** Resolves when the last connection is closed. */
  emptied(): Promise<void>;
  stop(): Promise<void>;
}

/** Answers HTTP as the script does. */
export function scriptHttp(
  script: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const server = createHttpServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    response.on('error', () => {});
    script(request, response);
  });
  return started(server);
}

/** Sends the text of the script after a request. */
export function scriptTcp(script: (socket: Socket, request: string) => void): Promise<ScriptedServer> {
  const server = createTcpServer((socket) => {
    socket.on('data', (chunk) => script(socket, chunk.toString('latin1')));
  });
  return started(server);
}

async function started(server: Server): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get connections() {
      return sockets.size;
    },
    get accepted() {
      return accepted;
    },
    async emptied() {
      await until('the last connection to close', () => sockets.size === 0, { everyMs: 2 });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
