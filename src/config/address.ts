import { isIPv6 } from 'node:net';
import { type Parsed, parseText } from './values.ts';

/** Where the service listens: without a host on every interface; port 0 lets the system choose one. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

const EXAMPLE = "'localhost:10180', '[::1]:10180' or ':10180'";

/** The address of `host:port`, `[::1]:port` or `:port`. */
export function parseListenAddress(value: unknown): Parsed<ListenAddress> {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) {
    return { wrong: `has only a port: write ':${value}'` };
  }
  const text = parseText(value);
  if ('wrong' in text) return text;
  if (text.value.includes('//')) return { wrong: `is a URL: write only its host and port, like ${EXAMPLE}` };
  const [, host = '', digits] = /^(.*):(\d{1,5})$/.exec(text.value) ?? [];
  if (digits === undefined) return { wrong: `'${text.value}' has no port: write it like ${EXAMPLE}` };
  const port = Number(digits);
  if (port > 65_535) return { wrong: `port ${port} is too large: at most 65535` };
  if (host === '') return { value: Object.freeze({ port }) };
  const bare = /^\[(.*)\]$/.exec(host)?.[1];
  if (bare === undefined && host.includes(':')) {
    return { wrong: `'${text.value}' is ambiguous: write an IPv6 address as '[${host}]:${port}'` };
  }
  if (bare === undefined ? !/^[\w.-]+$/.test(host) : !isIPv6(bare)) {
    return { wrong: `'${text.value}' has no host that can be listened on: write it like ${EXAMPLE}` };
  }
  return { value: Object.freeze({ host: bare ?? host, port }) };
}

/**
 * The address of a router without a trailing slash: http or https, a base path at most. Messages repeat the
 * text only when it cannot hold a credential.
 */
export function parseRouterUrl(value: unknown): Parsed<string> {
  const text = parseText(value);
  if ('wrong' in text) return text;
  const written = text.value.trim();
  const shown = /[@?#]/.test(written) ? 'the URL' : `'${written}'`;
  if (written === '') return { wrong: 'is empty: write it like http://localhost:8080' };
  if (!/^https?:\/\//i.test(written)) {
    const remedy = written.includes('://') || shown === 'the URL' ? '' : `: write 'http://${written}'`;
    return { wrong: `${shown} must start with http:// or https://${remedy}` };
  }
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined) return { wrong: `${shown} is no URL: write it like http://localhost:8080` };
  if (url.username !== '' || url.password !== '') {
    return { wrong: 'the URL holds credentials: take them out and give the key as api_key or api_key_file' };
  }
  if (/[?#]/.test(written)) {
    return { wrong: 'the URL has a query or fragment: end it before the ? or #' };
  }
  const path = withoutTrailingSlashes(url.pathname);
  if (path.endsWith('/v1')) {
    const base = `${url.origin}${path.slice(0, -'/v1'.length)}`;
    return { wrong: `${shown} is the address for OpenAI clients: the router's own is '${base}'` };
  }
  return { value: `${url.origin}${path}` };
}

/** A loop, because /\/+$/ takes quadratic time. */
function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

/** `host:port` of a URL, the port always written. */
export function hostAndPort(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

/** Where other routes of ours live: the metrics may not hide them. */
const OUR_ROUTES = /^\/(-|api|unload-all|webhook)(\/|$)/;

/** The path that Prometheus scrapes: plain segments, and none of our other routes. */
export function parseTelemetryPath(value: unknown): Parsed<string> {
  const text = parseText(value);
  if ('wrong' in text) return text;
  const path = text.value;
  if (!path.startsWith('/')) {
    const remedy = path === '' ? 'write it like /metrics' : `write '/${path}'`;
    return { wrong: `'${path}' must start with a slash: ${remedy}` };
  }
  if (path === '/') return { wrong: "'/' is the page for people: write it like /metrics" };
  if (OUR_ROUTES.test(path))
    return { wrong: `'${path}' hides another route of ours: write it like /metrics` };
  // Express reads : * ( ) { } in a route as a pattern, and URLs would escape most others.
  if (!/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/.test(path)) {
    return { wrong: `'${path}' may hold only letters, digits and . _ ~ - between single slashes` };
  }
  return { value: path };
}
