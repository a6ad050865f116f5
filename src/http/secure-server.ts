import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type ClientRule, secureContextOptions, type WebTls } from '../config/web-tls.ts';

/** The limit for TLS handshakes. */
const HANDSHAKE_MS = 10_000;

/**
 * An HTTPS server that applies the TLS settings of `current` to each new connection: a renewed certificate needs no
 * restart. Clients without an acceptable certificate are disconnected before their first request.
 */
export function createSecureServer(
  options: ServerOptions,
  handler: RequestListener,
  current: () => WebTls,
): Server {
  let active = current();
  const server = createServer(
    {
      ...options,
      ...secureContextOptions(active),
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: active.client.asked,
      // `admits` decides, for all kinds of rules.
      rejectUnauthorized: false,
    },
    handler,
  );
  server.prependListener('connection', () => {
    const tls = current();
    if (tls === active) return;
    active = tls;
    server.setSecureContext(secureContextOptions(tls));
    // Node has no method for this, and reads it at each connection. If it did not, `admits` would refuse.
    Object.assign(server, { requestCert: tls.client.asked });
  });
  server.prependListener('secureConnection', (socket) => {
    const certificate = socket.getPeerX509Certificate();
    const client = certificate && { names: certificate.subjectAltName, verified: socket.authorized };
    if (!admits(active.client, client)) socket.destroy();
  });
  return server;
}

/** The subject alternative names as Node formats them, and whether a configured authority signed the certificate. */
export interface ClientCertificate {
  readonly names: string | undefined;
  readonly verified: boolean;
}

/** Whether a client with this certificate, or without one, may connect. */
export function admits(rule: ClientRule, certificate: ClientCertificate | undefined): boolean {
  if (!rule.asked) return true;
  if (certificate === undefined) return !rule.required;
  if (rule.verified && !certificate.verified) return false;
  if (rule.names === undefined) return true;
  const allowed = new Set(rule.names.map(canonical));
  return namesOf(certificate.names ?? '').some((name) => allowed.has(name));
}

/**
 * The names in `DNS:a, IP Address:10.0.0.7`; none when Node has quoted one because of its special characters, so that a
 * part of one name never counts as another.
 */
function namesOf(text: string): string[] {
  if (text.includes('"')) return [];
  return text
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address|URI|email):([^,]*)$/.exec(entry)?.[1] ?? [])
    .map(canonical);
}

/** IPv6 addresses have several spellings: `FD00:0:0:0:0:0:0:7` is `fd00::7`. */
function canonical(name: string): string {
  const url = `http://[${name}]`;
  return /^[\da-f:.]+$/i.test(name) && name.includes(':') && URL.canParse(url) ? new URL(url).hostname : name;
}
