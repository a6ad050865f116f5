import { isIPv6 } from 'node:net';
import { posix } from 'node:path';
import { serverAddress, withoutSlashes } from '../lib/address.ts';
import { failed, ok } from '../lib/result.ts';
import { type Parsed, parseList, parseText } from './values.ts';

/** Where to listen: without a host on all interfaces, port 0 is any free port; or a Unix socket. */
export type ListenAddress =
  | { readonly host?: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string };

/** An address as it is configured; `port`: the bound port. */
export function formatListenAddress(address: ListenAddress, port?: number): string {
  if (address.path !== undefined) return `unix:${address.path}`;
  const { host = '' } = address;
  return `${host.includes(':') ? `[${host}]` : host}:${port ?? address.port}`;
}

/** The addresses of a list, or of a text with commas: at least one, each once. */
export function parseListenAddresses(value: unknown): Parsed<readonly ListenAddress[]> {
  const list = parseList(typeof value === 'number' ? String(value) : value, parseListenAddress);
  if (!list.ok) return list;
  const written = list.value.map((address) => formatListenAddress(address));
  const duplicate = written.find((text, index) => written.indexOf(text) < index);
  if (duplicate !== undefined) return failed(`has '${duplicate}' twice: remove one`);
  return written.length > 0 ? list : failed("is empty: write it like ':10180'");
}

/**
 * The address of `host:port`, `[::1]:port`, `:port` or `unix:/path`. The message does not repeat it: a URL may hold a
 * password.
 */
function parseListenAddress(text: string): Parsed<ListenAddress> {
  if (isSocket(text)) {
    const socket = parseSocket(text);
    if (!socket.ok) return socket;
    const { socketPath = '', prefix } = serverAddress(socket.value);
    return prefix === ''
      ? ok(Object.freeze({ path: socketPath }))
      : failed(`'${text}' has a base path, which a socket to listen on cannot have`);
  }
  const [, ipv6, name = '', digits] = /^(?:\[(.*)\]|([\w.-]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const host = ipv6 ?? name;
  if (digits === undefined || port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) {
    return failed(
      "is not a host and port: write it like 'localhost:10180', '[::1]:10180', ':10180' or 'unix:/run/exporter.sock'",
    );
  }
  return ok(Object.freeze(host === '' ? { port } : { host, port }));
}

/**
 * An http or https URL or a Unix socket, with at most a base path, without a trailing slash. Messages repeat the text
 * only if it cannot contain a credential.
 */
export function parseRouterUrl(value: unknown): Parsed<string> {
  const text = parseText(value);
  if (!text.ok) return text;
  const written = text.value.trim();
  if (written === '') return failed('is empty: write it like http://localhost:8080');
  if (isSocket(written)) return parseSocket(written);
  const shown = /[@?#]/.test(written) ? 'the URL' : `'${written}'`;
  if (/^\/(?!\/)/.test(written)) {
    return failed(`${shown} must start with http:// or https://, or with unix: if it is a socket`);
  }
  if (!/^https?:\/\//i.test(written)) {
    const remedy = written.includes('://') || shown === 'the URL' ? '' : `: write 'http://${written}'`;
    return failed(`${shown} must start with http:// or https://${remedy}`);
  }
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined) return failed(`${shown} is not a URL: write it like http://localhost:8080`);
  if (url.username !== '' || url.password !== '') {
    return failed('the URL contains credentials: remove them and set username and password_file');
  }
  if (/[?#]/.test(written)) {
    return failed('the URL has a query or fragment: end it before the ? or #');
  }
  const path = withoutSlashes(url.pathname);
  return withoutOpenAiPath(written, path, (base) => `${url.origin}${base}`);
}

/** Whether a text is meant as a Unix socket: by its scheme, in the spellings of other programs, or by its name. */
export function isSocket(text: string): boolean {
  if (/^(unix:|https?\+unix:|https?:\/\/unix:\/)/i.test(text)) return true;
  // Text with @ may hold a credential, which a message would repeat.
  return /\.sock(et)?(:|$)/i.test(text) && (text.startsWith('/') || !/:\/\/|@/.test(text));
}

const SOCKET_FORMAT = 'write it like unix:/run/llama.sock, with a base path like unix:/run/llama.sock:/llama';

/** The kernel's limit for the address of a socket, without its NUL. */
const LONGEST_SOCKET_PATH = 107;

const SOCKET = /^(?:unix:(?:\/\/(?=\/))?)?(\/[^:\p{Cc}]*)(?::(\/[^:?#\p{Cc}]*)?)?$/iu;

/** `unix:/path`, `unix:///path` or an absolute path; a base path follows after a colon, as in nginx. */
function parseSocket(written: string): Parsed<string> {
  const [, path, base = ''] = SOCKET.exec(written) ?? [];
  if (path === undefined || path.startsWith('//') || path.endsWith('/')) {
    const what = /^(unix:)?[.~\w-][^:]*$/i.test(written)
      ? 'must be an absolute path'
      : 'is not a Unix socket';
    return failed(`'${written}' ${what}: ${SOCKET_FORMAT}`);
  }
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    return failed(`the path of the socket has more than ${LONGEST_SOCKET_PATH} bytes: choose a shorter one`);
  }
  const socket = `unix:${posix.normalize(path)}`;
  return withoutOpenAiPath(written, withoutSlashes(base), (rest) => (rest ? `${socket}:${rest}` : socket));
}

const OPENAI_PATH = /\/v1(\/(models|completions|chat\/completions|embeddings|responses))?$/;

function withoutOpenAiPath(written: string, path: string, build: (path: string) => string): Parsed<string> {
  const end = path.search(OPENAI_PATH);
  if (end < 0) return ok(build(path));
  const base = build(path.slice(0, end));
  return failed(`'${written}' is the address for OpenAI clients: write '${base}'`);
}

/** The name of a router that has none: `host:port`, always with the port, or the path of its socket. */
export function nameOfUrl(url: string): string {
  const { origin, socketPath } = serverAddress(url);
  if (socketPath !== undefined) return socketPath;
  const { hostname, port, protocol } = new URL(origin);
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
