import { hostname, networkInterfaces } from 'node:os';
import type { IsOurHost } from './parents.ts';

/** Tells the names and addresses of this machine, as they are now, from others. */
export function ourHost(): IsOurHost {
  const own = new Set([hostname(), 'localhost', ...ownAddresses()]);
  return (host) => {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    return (
      own.has(bare) || /^127\.\d+\.\d+\.\d+$/.test(bare) || bare === '::1' || bare.endsWith('.localhost')
    );
  };
}

function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  } catch {
    return []; // Some sandboxes forbid to ask: loopback is ours all the same.
  }
}
