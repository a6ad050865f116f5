import { z } from 'zod';
import { hostAndPort, parseRouterUrl } from '../../config/address.ts';
import type { DiscoveryConfig } from '../../config/schema.ts';
import { hasControlCharacter, type Parsed, parseLabels } from '../../config/values.ts';
import { parseYamlValue } from '../../config/yaml.ts';

/** A router that was found somewhere. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where a target is, when the source says no more than an address. */
export type Terms = Pick<DiscoveryConfig, 'scheme' | 'port'>;

/** https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config; it may grow fields. */
const fileOfTargets = z.array(
  z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.unknown()).optional() }),
);

/**
 * The routers in a file of Prometheus' `file_sd` format. The label `router` names one, `__scheme__` is how it is talked
 * to; what else begins with two underscores is Prometheus' own and left out.
 */
export function targetsOf(text: string, terms: Terms): Parsed<Target[]> {
  // A file that is being written may be empty for a moment: that would end every router in it.
  if (text.trim() === '') return { wrong: 'is empty: write [] when there are none' };
  const yaml = parseYamlValue(text);
  if ('wrong' in yaml) return yaml;
  const groups = fileOfTargets.safeParse(yaml.value);
  if (!groups.success) return { wrong: "is no list of mappings with 'targets' and 'labels', as file_sd has" };
  const found: Target[] = [];
  for (const { targets, labels: written = {} } of groups.data) {
    const labels = parseLabels(written);
    if ('wrong' in labels) return { wrong: `has labels of which ${labels.wrong}` };
    const { router: name, __scheme__: scheme = terms.scheme, ...others } = labels.value;
    if (name !== undefined && targets.length > 1) {
      return { wrong: `gives the name '${name}' to ${targets.length} routers: one element for each` };
    }
    for (const address of targets) {
      const target = targetAt(address, { ...terms, scheme }, name, others);
      if ('wrong' in target) return target;
      found.push(target.value);
    }
  }
  return { value: found };
}

/** The router at `host`, `host:port`, the same with a base path, or a URL; else what is wrong with it. */
export function targetAt(
  address: string,
  { scheme, port }: { scheme: string; port: number },
  name?: string,
  labels: Readonly<Record<string, string>> = {},
): Parsed<Target> {
  const url = parseRouterUrl(address.includes('://') ? address : `${scheme}://${withPort(address, port)}`);
  if ('wrong' in url) return { wrong: `has the target '${shown(address)}', of which ${url.wrong}` };
  if (name !== undefined && (name.trim() === '' || hasControlCharacter(name))) {
    return { wrong: `has a target whose label 'router' is no visible text on one line` };
  }
  const ours = Object.entries(labels).filter(([label]) => !label.startsWith('__'));
  return {
    value: { name: name ?? hostAndPort(url.value), url: url.value, labels: Object.fromEntries(ours) },
  };
}

function withPort(address: string, port: number): string {
  const [host = '', ...path] = address.split('/');
  return [/:\d+$/.test(host) ? host : `${host}:${port}`, ...path].join('/');
}

/** Unless it may hold a credential. */
function shown(address: string): string {
  return address.includes('@') ? '…' : address;
}
