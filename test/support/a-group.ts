import type { DiscoveryConfig } from '../../src/config/schema.ts';

/** A group of discovery as the configuration has it, with its defaults. */
export function aGroup(group: Partial<DiscoveryConfig> = {}): DiscoveryConfig {
  return {
    name: 'lab',
    files: [],
    dns: [],
    dns_type: 'SRV',
    dns_servers: [],
    port: 8080,
    scheme: 'http',
    interval: 10,
    max_routers: 500,
    keep: [],
    local: 'auto',
    kind: 'auto',
    labels: {},
    ...group,
  };
}
