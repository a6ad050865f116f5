import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { secureContextOptions, type WebTls } from '../config/web-tls.ts';
import { admits, type ClientCertificate } from './client-certificate.ts';

/** A client that does not finish its handshake by then is cut off. */
const HANDSHAKE_MS = 10_000;

/**
 * A server of HTTPS that does what `current` says whenever a connection begins: a renewed certificate needs no
 * restart. Whoever has no certificate that is good enough is cut off before a request of theirs is read.
 */
export function createSecureServer(
  options: ServerOptions,
  handler: RequestListener,
  current: () => WebTls,
): Server {
  let activeConfig = current();
  const server = createServer(
    {
      ...options,
      ...secureContextOptions(activeConfig),
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: activeConfig.client.asked,
      // Decided below, for all kinds of rules in one place.
      rejectUnauthorized: false,
    },
    handler,
  );
  server.prependListener('connection', () => {
    const tls = current();
    if (tls === activeConfig) return;
    activeConfig = tls;
    server.setSecureContext(secureContextOptions(tls));
    // Node has no method for this, and reads it at each connection; where it did not, `admits` would refuse.
    Object.assign(server, { requestCert: tls.client.asked });
  });
  server.prependListener('secureConnection', (socket) => {
    if (!admits(activeConfig.client, certificateOf(socket))) socket.destroy();
  });
  return server;
}

function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate && { names: certificate.subjectAltName, verified: socket.authorized };
}
