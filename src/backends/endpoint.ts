import { Agent, type AgentOptions, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import { readCertificates } from '../config/pem.ts';
import type { RouterConfig } from '../config/schema.ts';
import { serverAddress } from '../lib/address.ts';

/** How one router is reached, as configured, and how long to wait for it. */
export interface Endpoint extends Access {
  url: string;
  /** For a whole answer, from connecting to the last byte. */
  requestTimeoutMs: number;
  /** The same for requests that the router passes on to a model. */
  modelTimeoutMs: number;
  /** The same for an unload order that is answered when the process is gone. Default: `requestTimeoutMs`. */
  unloadTimeoutMs?: number;
}

type Access = Partial<
  Pick<RouterConfig, 'api_key' | 'username' | 'password' | 'ca_file' | 'host_header' | 'local'>
>;

/**
 * The headers of every request. Basic authentication takes `Authorization`, so the API key goes into `X-Api-Key`, which
 * llama-server reads if the proxy removes `Authorization`.
 */
export function headersOf({ api_key, username, password, host_header }: Endpoint): Record<string, string> {
  const headers: Record<string, string> = {};
  // The router compares bytes, and headers are Latin-1.
  const key = api_key && Buffer.from(api_key.reveal(), 'utf8').toString('latin1');
  if (username !== undefined) {
    const user = Buffer.from(`${username}:${password?.reveal() ?? ''}`, 'utf8').toString('base64');
    headers.authorization = `Basic ${user}`;
    if (key) headers['x-api-key'] = key;
  } else if (key) headers.authorization = `Bearer ${key}`;
  if (host_header !== undefined) headers.host = host_header;
  return headers;
}

/** What keeps the connections to a router. A changed CA file applies to the next one. */
export function agentOf({ url, ca_file }: Endpoint, options: AgentOptions = {}): Agent {
  // TCP notices after this time that the other machine is gone.
  const all = { keepAlive: true, keepAliveMsecs: 15_000, ...options };
  if (!url.startsWith('https:')) return new Agent(all);
  const agent = new TlsAgent(all);
  return ca_file === undefined ? agent : Object.assign(agent, { createConnection: trusting(ca_file) });
}

/** Opens connections to servers with a certificate of this file. */
function trusting(file: string) {
  let ca: string | undefined;
  return (target: ConnectionOptions, done: (error: Error) => void): Socket | undefined => {
    const certificates = readCertificates(file);
    if (certificates.ok) ca = certificates.value;
    // While the file is replaced, the certificates before it stay in use.
    if (ca !== undefined) {
      // As in other programs, any certificate of the file is trusted, not only self-signed ones.
      return connectTls({ ...target, ca, allowPartialTrustChain: true } as ConnectionOptions);
    }
    done(new Error(`ca_file ${certificates.ok ? '' : certificates.fault}`));
    return undefined;
  };
}

/** One request. */
export interface HttpRequest {
  method: 'GET' | 'POST';
  /** With the prefix. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
  signal: AbortSignal;
  /** Called with the connection once it stands; not with one that stood before. */
  connected?: (socket: Socket) => void;
}

/** Sends a request and resolves with its answer when the headers are there; the body follows. */
export function send(
  agent: Agent,
  { url, requestTimeoutMs }: Endpoint,
  { body, connected, ...call }: HttpRequest,
): Promise<IncomingMessage> {
  const { origin, socketPath } = serverAddress(url);
  const at = { ...urlToHttpOptions(new URL(origin)), ...(socketPath === undefined ? {} : { socketPath }) };
  return new Promise((resolve, reject) => {
    // Without a timeout: that of the agent is for idle connections.
    const sent = request({ ...at, ...call, agent, timeout: 0 }, resolve);
    sent.on('error', reject);
    sent.once('socket', (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(() => socket.destroy(new ConnectTimeout()), requestTimeoutMs);
      socket.once('close', () => clearTimeout(timer));
      socket.once(origin.startsWith('https:') ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        connected?.(socket);
      });
    });
    sent.end(body);
  });
}

/** There is no connection after the time in which a request must be answered. */
class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT';
}
