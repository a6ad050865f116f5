import { buildConnector } from 'undici';
import { readCertificates } from '../../config/pem.ts';
import type { RouterConfig } from '../../config/schema.ts';
import { serverAddress } from '../../lib/address.ts';
import type { Secret } from '../../lib/secret.ts';

/** How one router is reached, and how long to wait for it. */
export interface Endpoint {
  /** `http://host:port`, `https://…` or `unix:/path`, with or without a base path. */
  url: string;
  apiKey?: Secret | undefined;
  /** For Basic authentication, with its password. */
  username?: string | undefined;
  password?: Secret | undefined;
  /** Certificates to trust for https instead of the public ones. */
  caFile?: string | undefined;
  /** Replaces the header `Host`. */
  hostHeader?: string | undefined;
  /** For a whole answer, from connecting to the last byte. */
  requestTimeoutMs: number;
  /** The same for requests that the router passes on to a model. */
  modelTimeoutMs: number;
}

/** The endpoint of a configured router. */
export function endpointOf(
  { url, api_key, username, password, ca_file, host_header }: RouterConfig,
  requestTimeoutMs: number,
  modelTimeoutMs: number,
): Endpoint {
  const access = { apiKey: api_key, username, password, caFile: ca_file, hostHeader: host_header };
  return { url, ...access, requestTimeoutMs, modelTimeoutMs };
}

/**
 * The headers of every request. Basic authentication takes `Authorization`, so the API key goes into `X-Api-Key`, which
 * llama-server reads if the proxy removes `Authorization`.
 */
export function headersOf({ apiKey, username, password, hostHeader }: Endpoint): Record<string, string> {
  const headers: Record<string, string> = {};
  // The router compares bytes, and headers are Latin-1.
  const key = apiKey && Buffer.from(apiKey.reveal(), 'utf8').toString('latin1');
  if (username !== undefined) {
    const user = Buffer.from(`${username}:${password?.reveal() ?? ''}`, 'utf8').toString('base64');
    headers.authorization = `Basic ${user}`;
    if (key) headers['x-api-key'] = key;
  } else if (key) headers.authorization = `Bearer ${key}`;
  if (hostHeader !== undefined) headers.host = hostHeader;
  return headers;
}

/** Opens the connections to a router. A changed CA file applies to the next one. */
export function connectorOf({ url, caFile, requestTimeoutMs }: Endpoint): buildConnector.connector {
  const { socketPath, origin } = serverAddress(url);
  const options: buildConnector.BuildOptions = {
    timeout: requestTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
    socketPath: socketPath ?? null,
  };
  const plain = buildConnector(options);
  if (caFile === undefined || !origin.startsWith('https:')) return plain;
  let trusted: { ca: string; connect: buildConnector.connector } | undefined;
  return (target, done) => {
    const certificates = readCertificates(caFile);
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
