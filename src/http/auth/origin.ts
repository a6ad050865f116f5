import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from '../../lib/address.ts';

/**
 * Whether a page of another site sends this request from a user's browser, which would add the user's credentials and
 * address. Programs send neither header.
 */
export function isCrossSite({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && !isOriginOf(origin, host);
}

/** Whether host and port are the same; the default port of the scheme may be left out. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: named } = new URL(origin);
  const own = `${protocol}//${host}`;
  return named !== '' && URL.canParse(own) && new URL(own).host === named;
}

/** Headers that a proxy adds to a request it forwards. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

/**
 * Why a request does not come from a program on this machine; undefined when it does. Checks the name too: a page
 * from elsewhere may resolve its own name to loopback.
 */
export function notLocal(peer: string | undefined, headers: IncomingMessage['headers']): string | undefined {
  if (peer === undefined) {
    return 'no token is configured, and over a Unix socket the caller may be a proxy for remote ones';
  }
  if (!isLoopbackAddress(peer))
    return 'no token is configured, so only callers on this machine (loopback) may do this';
  if (FORWARDED.some((name) => headers[name] !== undefined)) {
    return 'no token is configured, and a proxy forwarded the request: its caller may be remote';
  }
  const { host } = headers;
  if (host === undefined) return 'the Host header is missing';
  if (isLoopbackHost(host)) return undefined;
  return `the Host header must name this machine (localhost), not ${host}`;
}

function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  return /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(name);
}
