import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { request } from 'undici';
import type { Why } from './silence.ts';

/** Tries https where http found no HTTP, and the other way round; undefined when that is not it either. */
export async function otherProtocol(
  { protocol, hostname, port }: URL,
  why: Why,
  timeoutMs: number,
): Promise<'speaks_tls' | 'speaks_http' | undefined> {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:') {
    const isOdd = why === 'closed' || why === 'not_http';
    return isOdd && (await speaksTls(host, Number(port || 80), timeoutMs)) ? 'speaks_tls' : undefined;
  }
  // llama-server waits for the rest of a request that it does not understand: no connection, for TLS.
  const isOdd = why === 'closed' || why === 'not_http' || why === 'no_connection';
  return isOdd && (await speaksHttp(`${hostname}:${port || 443}`, timeoutMs)) ? 'speaks_http' : undefined;
}

/** Whether TLS is spoken there, whatever the certificate. */
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
    // Who refuses the handshake in the words of TLS speaks it too: it may want a certificate of ours.
    socket.once('error', (error) => end('code' in error && String(error.code).includes('ALERT')));
    socket.once('close', () => end(false));
  });
}

async function speaksHttp(host: string, timeoutMs: number): Promise<boolean> {
  try {
    const { body } = await request(`http://${host}/health`, { signal: AbortSignal.timeout(timeoutMs) });
    body.on('error', () => {}).destroy();
    return true;
  } catch {
    return false;
  }
}
