import { isLoopbackAddress } from '../../lib/address.ts';

/** What a request says of the machine it comes from. */
export interface Whence {
  /** The peer's address, as the socket knows it. */
  peer: string | undefined;
  host: string | undefined;
  /** A proxy says that it speaks for somebody else. */
  forwarded: boolean;
}

/** Headers by which a proxy says that. */
export const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

/**
 * Why this is nobody on this very machine; undefined when it is. By address, and by name: a page from elsewhere that
 * resolves its own name to loopback must not pass.
 */
export function notLocal({ peer, host, forwarded }: Whence): string | undefined {
  if (!isLoopbackAddress(peer)) return 'only callers on this machine (loopback) may do this without a token';
  if (forwarded) return 'a proxy sent it for somebody else, who may be anywhere';
  if (!isLoopbackHost(host))
    return `the Host header must name this machine (localhost), not ${host ?? 'nothing'}`;
  return undefined;
}

function isLoopbackHost(host: string | undefined): boolean {
  const name = host?.toLowerCase().replace(/:\d+$/, '');
  if (name === undefined) return false;
  return name === 'localhost' || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name);
}
