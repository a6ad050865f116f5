import { isIPv6 } from 'node:net';
import { failed, ok } from '../lib/result.ts';
import { type Parsed, parseText } from './values.ts';

/** Where to listen: without a host on all interfaces; port 0 is any free port. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

const EXAMPLE = "'localhost:10180', '[::1]:10180' or ':10180'";

/** The address of `host:port`, `[::1]:port` or `:port`. */
export function parseListenAddress(value: unknown): Parsed<ListenAddress> {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) {
    return failed(`has only a port: write ':${value}'`);
  }
  const text = parseText(value);
  if (!text.ok) return text;
  if (text.value.includes('//')) return failed(`is a URL: write only its host and port, like ${EXAMPLE}`);
  const [, host = '', digits] = /^(.*):(\d{1,5})$/.exec(text.value) ?? [];
  if (digits === undefined) return failed(`'${text.value}' has no port: write it like ${EXAMPLE}`);
  const port = Number(digits);
  if (port > 65_535) return failed(`port ${port} is too large: at most 65535`);
  if (host === '') return ok(Object.freeze({ port }));
  const bare = /^\[(.*)\]$/.exec(host)?.[1];
  if (bare === undefined && host.includes(':')) {
    return failed(`'${text.value}' is ambiguous: write an IPv6 address as '[${host}]:${port}'`);
  }
  if (bare === undefined ? !/^[\w.-]+$/.test(host) : !isIPv6(bare)) {
    return failed(`'${text.value}' has no valid host: write it like ${EXAMPLE}`);
  }
  return ok(Object.freeze({ host: bare ?? host, port }));
}

/**
 * An http or https URL with at most a base path, without a trailing slash. Messages repeat the text only if it cannot
 * contain a credential.
 */
export function parseRouterUrl(value: unknown): Parsed<string> {
  const text = parseText(value);
  if (!text.ok) return text;
  const written = text.value.trim();
  const shown = /[@?#]/.test(written) ? 'the URL' : `'${written}'`;
  if (written === '') return failed('is empty: write it like http://localhost:8080');
  if (!/^https?:\/\//i.test(written)) {
    const remedy = written.includes('://') || shown === 'the URL' ? '' : `: write 'http://${written}'`;
    return failed(`${shown} must start with http:// or https://${remedy}`);
  }
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined) return failed(`${shown} is not a URL: write it like http://localhost:8080`);
  if (url.username !== '' || url.password !== '') {
    return failed('the URL contains credentials: remove them and set api_key or api_key_file');
  }
  if (/[?#]/.test(written)) {
    return failed('the URL has a query or fragment: end it before the ? or #');
  }
  const path = withoutTrailingSlashes(url.pathname);
  if (path.endsWith('/v1')) {
    const base = `${url.origin}${path.slice(0, -'/v1'.length)}`;
    return failed(`${shown} is the address for OpenAI clients: write '${base}'`);
  }
  return ok(`${url.origin}${path}`);
}

/** A loop, because /\/+$/ takes quadratic time. */
function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

/** `host:port` of a URL, always with the port. */
export function hostAndPort(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

/** Paths of other routes. */
const OTHER_ROUTES = /^\/(-|api|unload-all|webhook)(\/|$)/;

/** A path for metrics: plain segments, no other route. */
export function parseTelemetryPath(value: unknown): Parsed<string> {
  const text = parseText(value);
  if (!text.ok) return text;
  const path = text.value;
  if (!path.startsWith('/')) {
    const remedy = path === '' ? 'write it like /metrics' : `write '/${path}'`;
    return failed(`'${path}' must start with a slash: ${remedy}`);
  }
  if (path === '/') return failed("'/' is the web page: write it like /metrics");
  if (OTHER_ROUTES.test(path)) {
    return failed(`'${path}' is the path of another route: write it like /metrics`);
  }
  // Express treats : * ( ) { } as a pattern, and URLs escape most other characters.
  if (!/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/.test(path)) {
    return failed(`'${path}' may contain only letters, digits and . _ ~ - between single slashes`);
  }
  return ok(path);
}
