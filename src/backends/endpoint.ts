import { buildConnector } from 'undici';
import { readCertificates } from '../config/file.ts';
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

/** Opens the connections to a router. A changed CA file applies to the next one. */
export function connectorOf({ url, ca_file, requestTimeoutMs }: Endpoint): buildConnector.connector {
  const { socketPath, origin } = serverAddress(url);
  const options: buildConnector.BuildOptions = {
    timeout: requestTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
    socketPath: socketPath ?? null,
  };
  const plain = buildConnector(options);
  if (ca_file === undefined || !origin.startsWith('https:')) return plain;
  let trusted: { ca: string; connect: buildConnector.connector } | undefined;
  return (target, done) => {
    const certificates = readCertificates(ca_file);
    // While the file is replaced, the certificates before it stay in use.
    if (!certificates.ok && !trusted) return done(new Error(`ca_file ${certificates.fault}`), null);
    if (certificates.ok && certificates.value !== trusted?.ca) {
      const ca = certificates.value;
      // As in other programs, any certificate of the file is trusted, not only self-signed ones.
      trusted = { ca, connect: buildConnector({ ...options, ca, allowPartialTrustChain: true }) };
    }
    trusted?.connect(target, done);
  };
}
