import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client, type Dispatcher } from 'undici';
import { serverAddress } from '../lib/address.ts';
import { connectorOf, type Endpoint, headersOf } from './endpoint.ts';
import { type SilenceReason, silenceOf } from './fault.ts';
import { type Head, headOf, MAX_BYTES, readBody } from './http.ts';

/** The answer to a path, uninterpreted: for the diagnosis of what answers there. */
export type Reply = Said | { kind: 'silence'; why: SilenceReason; detail: string };

export interface Said extends Head {
  kind: 'said';
  /** Cut off after 32 MiB; empty for an event stream. */
  body: string;
}

export type Probe = ReturnType<typeof createProbe>;

/**
 * Sends one request after the other, because several connections opened at once can freeze a llama-server (see
 * http.ts), and each on a new connection, because a router closes the connection after each answer that it got from a
 * model, without announcing it (b11669).
 */
export function createProbe(endpoint: Endpoint) {
  const { requestTimeoutMs } = endpoint;
  const { origin, socketPath, prefix } = serverAddress(endpoint.url);
  const connect = connectorOf(endpoint);
  let peer: string | undefined;
  let connected = false;
  let speaksHttp = false;
  const client = new Client(origin, {
    connect: (options, done) =>
      connect(options, (error, socket) => {
        if (error) return done(error, null);
        peer = socketPath ?? addressOf(socket);
        connected = true;
        done(null, socket);
      }),
    bodyTimeout: 0,
    headersTimeout: 0,
  });

  return {
    /** `host` replaces the header `Host`. */
    async ask(path: string, signal: AbortSignal, host?: string): Promise<Reply> {
      connected = false;
      const deadline = AbortSignal.timeout(requestTimeoutMs);
      const accept = path === '/models/sse' ? 'text/event-stream' : '*/*';
      const headers = { accept, ...headersOf(endpoint) };
      try {
        const answer = await client.request({
          method: 'GET',
          path: `${prefix}${path}`,
          headers: host === undefined ? headers : { ...headers, host },
          signal: AbortSignal.any([signal, deadline]),
          reset: true,
        });
        speaksHttp = true;
        return await readReply(answer);
      } catch (error) {
        const silence = silenceOf(error, connected, deadline.aborted);
        const mayBeOther = !speaksHttp && socketPath === undefined;
        const other = mayBeOther
          ? await otherProtocol(new URL(origin), silence.why, requestTimeoutMs)
          : undefined;
        return { kind: 'silence', why: other ?? silence.why, detail: other ? '' : silence.detail };
      }
    },
    /** `address:port` of the server; undefined before the first connection. */
    peer: () => peer,
    close: () => client.destroy(),
  };
}

async function readReply(response: Dispatcher.ResponseData): Promise<Said> {
  const head = headOf(response);
  if (!head.contentType.includes('text/event-stream')) {
    return { kind: 'said', ...head, body: (await readBody(response.body, MAX_BYTES)).text };
  }
  response.body.on('error', () => {}).destroy(); // Our own abort is no error.
  return { kind: 'said', ...head, body: '' };
}

function addressOf({ remoteAddress = '', remotePort }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:/, '');
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}

/** Tries HTTPS where HTTP got no HTTP answer, and the other way round; undefined when that fails too. */
async function otherProtocol(
  { protocol, hostname, port }: URL,
  why: SilenceReason,
  timeoutMs: number,
): Promise<'speaks_tls' | 'speaks_http' | undefined> {
  const isOdd = why === 'closed' || why === 'not_http';
  if (protocol === 'http:') {
    const host = hostname.replace(/^\[|\]$/g, '');
    return isOdd && (await speaksTls(host, Number(port || 80), timeoutMs)) ? 'speaks_tls' : undefined;
  }
  // llama-server waits for the rest of a TLS handshake, which it does not understand: that is no connection.
  const mayBeHttp = isOdd || why === 'no_connection';
  return mayBeHttp && (await answersHttp(`${hostname}:${port || 443}`, timeoutMs))
    ? 'speaks_http'
    : undefined;
}

/** Whether the server speaks TLS, with any certificate. */
function speaksTls(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const named = isIP(host) === 0 && { servername: host };
    const socket = connectTls({ host, port, rejectUnauthorized: false, ...named });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('secureConnect', () => end(true));
    // A TLS alert is TLS too: the server may require a client certificate.
    socket.once('error', (error) => end('code' in error && String(error.code).includes('ALERT')));
    socket.once('close', () => end(false));
  });
}

async function answersHttp(host: string, timeoutMs: number): Promise<boolean> {
  const client = new Client(`http://${host}`);
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const { body } = await client.request({ method: 'GET', path: '/health', signal });
    body.on('error', () => {}).destroy();
    return true;
  } catch {
    return false;
  } finally {
    void client.destroy();
  }
}
