import { Resolver } from 'node:dns/promises';
import type { DiscoveryConfig } from '../../config/schema.ts';
import { codeOf } from '../../lib/error-code.ts';
import { failed, ok, type Result } from '../../lib/result.ts';

/** Resolves the DNS names of a group. */
export interface NameResolver {
  /** `host:port` of every record, within five seconds; none when the name or the record does not exist. */
  addresses(name: string): Promise<Result<string[], string>>;
  /** Cancels pending queries. */
  stop(): void;
}

/** Two tries, the second one longer: at most five seconds. */
const TIMEOUTS = { timeout: 1500, tries: 2 };

/** Codes for a name or record that does not exist; all others are faults. */
const NONE = new Set(['ENOTFOUND', 'ENODATA']);

export function createNameResolver({
  dns_type: type,
  dns_servers: servers,
  port,
}: Pick<DiscoveryConfig, 'dns_type' | 'dns_servers' | 'port'>): NameResolver {
  const resolver = new Resolver(TIMEOUTS);
  if (servers.length > 0) resolver.setServers([...servers]);
  return {
    async addresses(name) {
      try {
        return ok((await resolve(name)).sort());
      } catch (error) {
        const code = codeOf(error);
        return NONE.has(code) ? ok([]) : failed(`cannot resolve ${type} records of ${name} (${code})`);
      }
    },
    stop: () => resolver.cancel(),
  };

  async function resolve(name: string): Promise<string[]> {
    switch (type) {
      case 'SRV':
        return (await resolver.resolveSrv(name)).map((record) => `${record.name}:${record.port}`);
      case 'A':
        return (await resolver.resolve4(name)).map((address) => `${address}:${port}`);
      case 'AAAA':
        return (await resolver.resolve6(name)).map((address) => `[${address}]:${port}`);
    }
  }
}
