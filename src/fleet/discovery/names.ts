import { Resolver } from 'node:dns/promises';
import type { DiscoveryConfig } from '../../config/schema.ts';
import { codeOf } from '../../lib/error-code.ts';
import { failed, ok, type Result } from '../../lib/result.ts';

/** Asks name servers, each question within seconds. */
export interface Names {
  /** The `host:port` of every record; none when the name, or such a record of it, does not exist. */
  addresses(name: string): Promise<Result<string[], string>>;
  /** Gives up what is being asked. */
  stop(): void;
}

/** A question is asked twice, the second time for longer: five seconds at most. */
const PATIENCE = { timeout: 1500, tries: 2 };

/** What an authority answers when there is none; anything else is a fault of the way there. */
const NONE = new Set(['ENOTFOUND', 'ENODATA']);

export function createNames({
  dns_type: type,
  dns_servers: servers,
  port,
}: Pick<DiscoveryConfig, 'dns_type' | 'dns_servers' | 'port'>): Names {
  const resolver = new Resolver(PATIENCE);
  if (servers.length > 0) resolver.setServers([...servers]);
  return {
    async addresses(name) {
      try {
        return ok((await ask(name)).sort());
      } catch (error) {
        const code = codeOf(error);
        return NONE.has(code) ? ok([]) : failed(`no ${type} records of ${name} could be had (${code})`);
      }
    },
    stop: () => resolver.cancel(),
  };

  async function ask(name: string): Promise<string[]> {
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
