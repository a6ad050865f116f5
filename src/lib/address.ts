/** Where a server is reached: by TCP at an origin, or by a Unix socket. */
export interface ServerAddress {
  /** Scheme, host and port; `http://localhost` for a socket. */
  readonly origin: string;
  /** The absolute path of the socket. */
  readonly socketPath?: string | undefined;
  /** The base path without a slash at its end; empty: none. */
  readonly prefix: string;
}

/** The parts of `http://host:port/prefix`, `unix:/path` or `unix:/path:/prefix`. */
export function serverAddress(url: string): ServerAddress {
  const [, socketPath, socketPrefix = ''] = /^unix:([^:]*):?(.*)$/.exec(url) ?? [];
  if (socketPath !== undefined) return { origin: 'http://localhost', socketPath, prefix: socketPrefix };
  const { origin, pathname } = new URL(url);
  return { origin, prefix: withoutSlashes(pathname) };
}

/** The URL of a path on a server, for people: `unix:/run/llama.sock:/models`. */
export function urlOfPath({ origin, socketPath, prefix }: ServerAddress, path: string): string {
  return `${socketPath === undefined ? origin : `unix:${socketPath}:`}${prefix}${path}`;
}

/** Without slashes at the end. The lookbehind keeps the time linear. */
export function withoutSlashes(path: string): string {
  return path.replace(/(?<!\/)\/+$/, '');
}

/**
 * The unit for limits per caller: an IPv4 address, or the /64 of an IPv6 address, because a client usually has a whole
 * /64.
 */
export function callerBlock(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  return plain.includes(':') ? `${firstGroups(plain).join(':')}::/64` : plain;
}

/** The first four of the eight groups, with `::` expanded. */
function firstGroups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const [before = [], after = []] = [head, tail].map((part) => part?.match(/[^:]+/g) ?? []);
  const between = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array<string>(between).fill('0'), ...after];
  return all.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
}

export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}
