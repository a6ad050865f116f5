import { isIPv6 } from 'node:net';
import { failed, ok } from '../lib/result.ts';
import { type Parsed, parseText } from './values.ts';

/** Where to listen: without a host on all interfaces; port 0 is any free port. */
export interface ListenAddress {
  readonly host?: string;
  readonly port: number;
}

/** The address of `host:port`, `[::1]:port` or `:port`. The message does not repeat it: a URL may hold a password. */
export function parseListenAddress(value: unknown): Parsed<ListenAddress> {
  const text = parseText(typeof value === 'number' ? String(value) : value);
  if (!text.ok) return text;
  const [, ipv6, name = '', digits] = /^(?:\[(.*)\]|([\w.-]*)):(\d{1,5})$/.exec(text.value) ?? [];
  const port = Number(digits);
  const host = ipv6 ?? name;
  if (digits === undefined || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) {
    return failed("is not a host and port: write it like 'localhost:10180', '[::1]:10180' or ':10180'");
  }
  return ok(Object.freeze(host === '' ? { port } : { host, port }));
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
  // The lookbehind keeps the time linear.
  const path = url.pathname.replace(/(?<!\/)\/+$/, '');
  if (path.endsWith('/v1')) {
    const base = `${url.origin}${path.slice(0, -'/v1'.length)}`;
    return failed(`${shown} is the address for OpenAI clients: write '${base}'`);
  }
  return ok(`${url.origin}${path}`);
}

/** `host:port` of a URL, always with the port. */
export function hostAndPort(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

const OTHER_ROUTES = /^\/($|(-|api|unload-all|webhook)(\/|$))/;

/** A path for metrics: plain segments, no other route. */
export function parseTelemetryPath(value: unknown): Parsed<string> {
  const text = parseText(value);
  if (!text.ok) return text;
  const path = text.value;
  if (OTHER_ROUTES.test(path)) {
    return failed(`'${path}' is the path of another route: write it like /metrics`);
  }
  // Express treats : * ( ) { } as a pattern, and URLs escape most other characters.
  if (!/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/.test(path)) {
    return failed(
      `'${path}' is not a path like /metrics: use letters, digits and . _ ~ - after single slashes`,
    );
  }
  return ok(path);
}
