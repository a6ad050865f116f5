import type { Socket } from 'node:net';
import { buildConnector, Client } from 'undici';
import { authorizationOf } from './authorization.ts';
import type { Endpoint } from './http.ts';
import { otherProtocol } from './other-protocol.ts';
import { silenceOf, type Why } from './silence.ts';

/** What came back when a path was asked, unjudged: for telling what it is that answers. */
export type Reply = Said | { kind: 'silence'; why: Why; detail: string };

export interface Said {
  kind: 'said';
  status: number;
  contentType: string;
  /** The headers `Server`, `Location` and `WWW-Authenticate`; empty when absent. */
  server: string;
  location: string;
  authenticate: string;
  /** Cut off after 32 MiB; empty for an event stream. */
  body: string;
}

export interface Probe {
  ask(path: string, signal: AbortSignal): Promise<Reply>;
  /** `address:port` of the other side, undefined before the first connection. */
  peer(): string | undefined;
  close(): Promise<void>;
}

const MAX_BYTES = 32 * 1024 * 1024;

/**
 * One question after the other: several connections opened at once can freeze a llama-server (see http.ts). And
 * each on a connection of its own: a router hangs up after every answer that it had from a model, whatever its
 * headers say, and the next question would be lost (measured on b11669).
 */
export function createProbe({ url, apiKey, requestTimeoutMs }: Endpoint): Probe {
  const base = new URL(url);
  const prefix = base.pathname.replace(/\/+$/, '');
  const connect = buildConnector({ timeout: requestTimeoutMs });
  let peer: string | undefined;
  let connected = false;
  let speaksHttp = false;
  const client = new Client(base.origin, {
    connect: (options, done) =>
      connect(options, (error, socket) => {
        if (error) return done(error, null);
        peer = addressOf(socket);
        connected = true;
        done(null, socket);
      }),
    bodyTimeout: 0,
    headersTimeout: 0,
  });

  return {
    async ask(path, signal) {
      connected = false;
      const deadline = AbortSignal.timeout(requestTimeoutMs);
      const headers = {
        accept: path === '/models/sse' ? 'text/event-stream' : '*/*',
        ...authorizationOf(apiKey),
      };
      try {
        const answer = await client.request({
          method: 'GET',
          path: `${prefix}${path}`,
          headers,
          signal: AbortSignal.any([signal, deadline]),
          reset: true,
        });
        const header = (name: string) => String(answer.headers[name] ?? '');
        const contentType = header('content-type');
        speaksHttp = true;
        const isStream = contentType.includes('text/event-stream');
        if (isStream) answer.body.on('error', () => {}).destroy(); // Its end is ours: no error.
        return {
          kind: 'said',
          status: answer.statusCode,
          contentType,
          server: header('server'),
          location: header('location'),
          authenticate: header('www-authenticate'),
          body: isStream ? '' : await readSome(answer.body, MAX_BYTES),
        };
      } catch (error) {
        const silence = silenceOf(error, connected, deadline.aborted);
        const other = speaksHttp ? undefined : await otherProtocol(base, silence.why, requestTimeoutMs);
        return { kind: 'silence', ...(other ? { why: other, detail: '' } : silence) };
      }
    },
    peer: () => peer,
    close: () => client.destroy(),
  };
}

/** The text of an answer up to `maxBytes`; leaving the loop ends the connection, as for a stream without end. */
async function readSome(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function addressOf({ remoteAddress = '', remotePort }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:/, '');
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}
