import { Agent, request } from 'node:http';

/** A request, sent unchanged. */
export interface Sent {
  method: string;
  path: string;
  /** Its Content-Type; absent: it has none. */
  type?: string | undefined;
  body?: Buffer;
  /** Sends the body without Content-Length. */
  chunked?: boolean;
  headers?: Record<string, string>;
}

export interface Received {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** Whether the whole announced body arrived. */
  complete: boolean;
}

/** A loopback client with a keep-alive connection, like Prometheus and proxies. */
export function keptAlive(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    send: ({ method, path, type, body, chunked = false, headers = {} }: Sent) =>
      new Promise<Received>((resolve, reject) => {
        const asked = request({
          ...{ agent, host: '127.0.0.1', port, method, path },
          headers: {
            Host: 'localhost',
            ...(type !== undefined && { 'Content-Type': type }),
            ...(body && (chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': body.length })),
            ...headers,
          },
        });
        asked.on('response', (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject);
          answer.on('close', () =>
            resolve({
              status: answer.statusCode ?? Number.NaN,
              headers: answer.headers,
              body: Buffer.concat(parts),
              complete: answer.complete,
            }),
          );
        });
        asked.on('error', reject);
        asked.end(body);
      }),
    close: () => agent.destroy(),
  };
}
