import { get, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { serverAddress } from '../lib/address.ts';
import { agentOf, type Endpoint, headersOf, send } from './endpoint.ts';
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
  const agent = agentOf(endpoint);
  let peer: string | undefined;
  let connected = false;
  let speaksHttp = false;
  return {
    /** `host` replaces the header `Host`. */
    async ask(path: string, signal: AbortSignal, host?: string): Promise<Reply> {
      connected = false;
      const deadline = AbortSignal.timeout(requestTimeoutMs);
      const accept = path === '/models/sse' ? 'text/event-stream' : '*/*';
      const headers = { accept, connection: 'close', ...headersOf(endpoint) };
      try {
        const answer = await send(agent, endpoint, {
          method: 'GET',
          path: `${prefix}${path}`,
          headers: host === undefined ? headers : { ...headers, host },
          signal: AbortSignal.any([signal, deadline]),
          connected(socket) {
            peer = socketPath ?? addressOf(socket);
            connected = true;
          },
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
    close: () => agent.destroy(),
  };
}

async function readReply(response: IncomingMessage): Promise<Said> {
  const head = headOf(response);
  if (!head.contentType.includes('text/event-stream')) {
    return { kind: 'said', ...head, body: (await readBody(response, MAX_BYTES)).text };
  }
  response.on('error', () => {}).destroy(); // Our own abort is no error.
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

function answersHttp(host: string, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = get(`http://${host}/health`, { signal }, () => {
      resolve(true);
      asked.destroy();
    });
    asked.on('error', () => resolve(false));
  });
}
