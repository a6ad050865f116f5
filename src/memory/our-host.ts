import { hostname, networkInterfaces } from 'node:os';
import type { IsOurHost } from './parents.ts';

/** Tells the names and addresses of this machine, as they are now, from others. */
export function ourHost(): IsOurHost {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const own = new Set([hostname(), 'localhost', ...addresses.map(({ address }) => address)]);
  return (host) => {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    return (
      own.has(bare) || /^127\.\d+\.\d+\.\d+$/.test(bare) || bare === '::1' || bare.endsWith('.localhost')
    );
  };
}
