import { Resolver } from 'node:dns/promises';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DiscoveryConfig } from '../../config/schema.ts';
import { codeOf } from '../../lib/error-code.ts';
import { matchesGlob } from '../../lib/glob.ts';
import { failed, ok, type Result } from '../../lib/result.ts';
import { type DiscoveryTarget, targetAt, targetsOf } from './targets.ts';

/** The last known targets of each source of a group: a file or a DNS name. */
export type KnownTargets = Map<string, readonly DiscoveryTarget[]>;

export interface Lookup {
  readonly targets: readonly DiscoveryTarget[];
  /** Sources that could not be read. They keep their last known targets. */
  readonly faults: readonly string[];
}

type TargetsResult = Result<readonly DiscoveryTarget[], string>;

const MAX_FILE_BYTES = 1024 * 1024;

/** Reads all sources of a group and updates `known`. A source that is gone takes its targets with it. */
export async function lookUp(
  config: DiscoveryConfig,
  resolver: NameResolver,
  known: KnownTargets,
): Promise<Lookup> {
  const listings = await Promise.all(config.files.map(filesOf));
  const unlisted = listings.flatMap((listing) => (listing.ok ? [] : [listing.fault]));
  if (unlisted.length > 0) return limited(config, known, unlisted);
  const files = listings.flatMap((listing) => (listing.ok ? listing.value : []));
  const results = new Map<string, TargetsResult>(
    await Promise.all([
      ...files.map(async (file) => [file, await readTargets(file, config)] as const),
      ...config.dns.map(async (name) => [name, await resolveTargets(name, config, resolver)] as const),
    ]),
  );
  for (const source of known.keys()) if (!results.has(source)) known.delete(source);
  const faults: string[] = [];
  for (const [source, result] of results) {
    if (result.ok) known.set(source, result.value);
    else faults.push(result.fault);
  }
  return limited(config, known, faults);
}

function limited({ max_routers: max }: DiscoveryConfig, known: KnownTargets, faults: string[]): Lookup {
  const targets = [...known.values()].flat();
  if (targets.length <= max) return { targets, faults };
  const fault = `${targets.length} routers are more than max_routers, ${max}: raise it if they are intended`;
  return { targets: targets.slice(0, max), faults: [...faults, fault] };
}

/** The files of a path whose last part may contain `*` and `?`, sorted; none when the folder does not exist. */
async function filesOf(path: string): Promise<Result<string[], string>> {
  const [folder, pattern] = [dirname(path), basename(path)];
  try {
    // Entries of any type: in Kubernetes the files of a ConfigMap are symbolic links.
    const names = (await readdir(folder)).filter((name) => matchesGlob(pattern, name)).sort();
    return ok(names.map((name) => join(folder, name)));
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? ok([]) : failed(`${folder} cannot be read (${code})`);
  }
}

async function readTargets(file: string, config: DiscoveryConfig): Promise<TargetsResult> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) return failed(`${file} is larger than 1 MiB: name the right file`);
    const targets = targetsOf(await readFile(file, 'utf8'), config);
    return targets.ok ? targets : failed(`${file} ${targets.fault}`);
  } catch (error) {
    return failed(`${file} cannot be read (${codeOf(error)})`);
  }
}

async function resolveTargets(
  name: string,
  config: DiscoveryConfig,
  resolver: NameResolver,
): Promise<TargetsResult> {
  const addresses = await resolver.addresses(name);
  if (!addresses.ok) return addresses;
  const targets: DiscoveryTarget[] = [];
  for (const address of addresses.value) {
    const target = targetAt(address, config);
    if (!target.ok) return failed(`${name} ${target.fault}`);
    targets.push(target.value);
  }
  return ok(targets);
}

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
