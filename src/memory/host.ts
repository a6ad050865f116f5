import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { failed, ok } from '../lib/result.ts';
import { isAbsence, parseKibibytes, readText } from './procfs.ts';
import type { Source } from './source.ts';

/** System memory. `availableBytes` is what programs could allocate without swapping. */
export interface HostMemory {
  totalBytes: number;
  availableBytes: number;
}

/** System memory, which is GPU memory on machines that share it. */
export function createHost(procfs: string): Source<HostMemory | undefined> {
  const path = join(procfs, 'meminfo');
  return {
    name: 'host',
    nothing: undefined,
    async read() {
      const text = await readText(path);
      if (!text.ok)
        return isAbsence(text.fault) ? ok(undefined) : failed(`cannot read ${path}: ${text.fault}`);
      const memory = parseMeminfo(text.value);
      return memory ? ok(memory) : failed(`${path} lacks MemTotal or MemAvailable`);
    },
  };
}

/** Total and available bytes from /proc/meminfo; undefined unless it has both. */
export function parseMeminfo(text: string): HostMemory | undefined {
  const totalBytes = parseKibibytes(text, 'MemTotal');
  const availableBytes = parseKibibytes(text, 'MemAvailable');
  if (totalBytes === undefined || availableBytes === undefined) return undefined;
  return { totalBytes, availableBytes };
}

/** Whether a host name or address is this machine's. */
export type IsOwnHost = (host: string) => boolean;

export function ownHost(): IsOwnHost {
  const own = new Set([hostname(), 'localhost', '::1', ...ownAddresses()]);
  return (host) => {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    return own.has(bare) || /^127\.\d+\.\d+\.\d+$/.test(bare) || bare.endsWith('.localhost');
  };
}

function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  } catch {
    return []; // Some sandboxes forbid it; loopback is enough then.
  }
}
