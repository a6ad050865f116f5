import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { doctor } from '../../src/cli/doctor.ts';
import type { RouterConfig } from '../../src/config/schema.ts';
import { createConfigSource } from '../../src/config/source.ts';

type Given = [status: number, headers: Record<string, string>, body: string];

/** The answers of a scripted server by path; `*` is for every other path. */
export type Answers = Readonly<Record<string, Given>>;

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Given => {
  return [status, { 'content-type': 'application/json', ...headers }, JSON.stringify(body)];
};

/** Servers of one test. */
export function createServers() {
  const closers: (() => void)[] = [];
  const open = (server: Server, socketPath?: string): Promise<number> => {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
    closers.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return new Promise((resolve) => {
      if (socketPath !== undefined) return void server.listen(socketPath, () => resolve(0));
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  };
  return {
    open,
    /** `hangsUp`: closes the connection after every answer without `Connection: close`. */
    answering: (answers: Answers, hangsUp = false) => {
      return open(
        createServer((request: IncomingMessage, response: ServerResponse) => {
          const [status, headers, body] = answers[request.url ?? ''] ?? answers['*'] ?? [404, {}, ''];
          response.writeHead(status, headers).end(body);
          if (hangsUp) response.on('finish', () => request.socket.destroy());
        }),
      );
    },
    /** Speaks no HTTP: calls `greet` with every connection. */
    odd: (greet: (socket: Socket) => void) => open(createTcpServer(greet)),
    close() {
      for (const close of closers.splice(0)) close();
    },
  };
}

export interface Consultation {
  key?: string;
  env?: Record<string, string>;
  flags?: Record<string, string>;
  /** Default: no, because simulated routers have no processes. */
  local?: 'auto' | 'no';
  kind?: RouterConfig['kind'];
}

/** The output of `doctor` for these routers, with PORT instead of their ports, and its exit code. */
export async function consult(
  urls: readonly string[],
  { key, env = {}, flags = {}, local = 'no', kind = 'auto' }: Consultation = {},
): Promise<{ text: string; code: number }> {
  const source = createConfigSource({
    env: key === undefined ? env : { ...env, LLAMA_API_KEY: key },
    flags: {
      router: [...urls],
      'follow.request-timeout': '2s',
      // Not the GPUs of the machine that runs the tests.
      ...{ 'path.sysfs': '/nowhere', 'memory.nvidia-smi': '' },
      ...flags,
    },
  });
  const config = {
    ...source.current,
    routers: source.current.routers.map((router) => ({ ...router, local, kind })),
  };
  let text = '';
  const code = await doctor({
    flags,
    words: [],
    configSource: () => ({ ...source, current: config }),
    terminal: {
      out: (part) => {
        text += part;
      },
      err: () => {},
      isInteractive: false,
    },
  });
  const ports = urls.map((url) => (URL.canParse(url) ? new URL(url).port : '')).filter((port) => port !== '');
  return { text: ports.reduce((shown, port) => shown.replaceAll(port, 'PORT'), text), code };
}
