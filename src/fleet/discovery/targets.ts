import * as z from 'zod';
import { isSocket, nameOfUrl, parseRouterUrl } from '../../config/address.ts';
import type { DiscoveryConfig, RouterConfig } from '../../config/schema.ts';
import { hasControlCharacter, type Parsed, parseLabels } from '../../config/values.ts';
import { parseYamlValue } from '../../config/yaml.ts';
import { failed, ok } from '../../lib/result.ts';

/** A discovered router. */
export interface DiscoveryTarget {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Defaults for targets given by address only. */
type TargetDefaults = Pick<DiscoveryConfig, 'scheme' | 'port'>;

/** https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config; it may grow fields. */
const fileOfTargets = z.array(
  z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.unknown()).optional() }),
);

/**
 * Parses a file in Prometheus' `file_sd` format. The label `router` is the name, `__scheme__` the scheme; other labels
 * that begin with two underscores are Prometheus' own and left out.
 */
export function targetsOf(text: string, defaults: TargetDefaults): Parsed<DiscoveryTarget[]> {
  // A file may be empty for a moment while it is written, which must not remove its routers.
  if (text.trim() === '') return failed('is empty: write [] for no routers');
  const yaml = parseYamlValue(text);
  if (!yaml.ok) return yaml;
  const groups = fileOfTargets.safeParse(yaml.value);
  if (!groups.success) return failed("is not a list of mappings with 'targets' and 'labels', as in file_sd");
  const found: DiscoveryTarget[] = [];
  for (const { targets, labels: written = {} } of groups.data) {
    const labels = parseLabels(written);
    if (!labels.ok) return failed(`has labels of which ${labels.fault}`);
    const { router: name, __scheme__: scheme = defaults.scheme, ...others } = labels.value;
    if (name !== undefined && targets.length > 1) {
      return failed(`gives the name '${name}' to ${targets.length} routers: write one element for each`);
    }
    for (const address of targets) {
      const target = targetAt(address, { ...defaults, scheme }, name, others);
      if (!target.ok) return target;
      found.push(target.value);
    }
  }
  return ok(found);
}

/** Parses `host`, `host:port`, both with an optional base path, a URL or a Unix socket. */
export function targetAt(
  address: string,
  { scheme, port }: { scheme: string; port: number },
  name?: string,
  labels: Readonly<Record<string, string>> = {},
): Parsed<DiscoveryTarget> {
  const isUrl = address.includes('://') || isSocket(address);
  const url = parseRouterUrl(isUrl ? address : `${scheme}://${withPort(address, port)}`);
  if (!url.ok) return failed(`has the target '${shown(address)}', of which ${url.fault}`);
  if (name !== undefined && (name.trim() === '' || hasControlCharacter(name))) {
    return failed(`has a target whose label 'router' is empty or has control characters`);
  }
  const ours = Object.entries(labels).filter(([label]) => !label.startsWith('__'));
  return ok({ name: name ?? nameOfUrl(url.value), url: url.value, labels: Object.fromEntries(ours) });
}

function withPort(address: string, port: number): string {
  const [host = '', ...path] = address.split('/');
  return [/:\d+$/.test(host) ? host : `${host}:${port}`, ...path].join('/');
}

/** Hides a possible credential. */
function shown(address: string): string {
  return address.includes('@') ? '…' : address;
}

/** The discovered targets of one group. */
export interface DiscoveredGroup {
  readonly group: DiscoveryConfig;
  readonly targets: readonly DiscoveryTarget[];
}

/** A target that is not followed, and why. */
export interface IgnoredTarget {
  readonly group: string;
  readonly target: string;
  readonly why: string;
}

/**
 * The configured routers, then the discovered ones. A target whose name or URL is taken is ignored: two trackers of one
 * router would count everything twice. Only those in the shard, which is decided last: all exporters ignore the same.
 */
export function routersOf(
  configured: readonly RouterConfig[],
  discovered: readonly DiscoveredGroup[],
  isOurs: (name: string) => boolean = () => true,
): { routers: readonly RouterConfig[]; ignored: readonly IgnoredTarget[] } {
  const routers = [...configured];
  const ignored: IgnoredTarget[] = [];
  const byName = new Map(routers.map((router) => [router.name, router]));
  const byUrl = new Map(routers.map((router) => [router.url, router]));
  for (const { group, targets } of discovered) {
    for (const { name, url, labels } of targets) {
      const [sameName, sameUrl] = [byName.get(name), byUrl.get(url)];
      if (sameName || sameUrl) {
        // The same router in two files or records is no problem.
        if (sameName === sameUrl) continue;
        const why = sameName ? `its name is used by ${sameName.url}` : `its URL is used by ${sameUrl?.name}`;
        if (isOurs(name)) ignored.push({ group: group.name, target: `${name} (${url})`, why });
        continue;
      }
      const { kind, keep, api_key, username, password, ca_file, host_header, local } = group;
      const access = { api_key, username, password, ca_file, host_header };
      const router = { name, url, kind, keep, ...access, local, labels: { ...group.labels, ...labels } };
      routers.push(Object.freeze(router));
      byName.set(name, router);
      byUrl.set(url, router);
    }
  }
  return { routers: routers.filter(({ name }) => isOurs(name)), ignored };
}
