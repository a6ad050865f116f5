import type { Config, DiscoveryConfig } from '../../config/schema.ts';
import { type Clock, within } from '../../lib/clock.ts';
import { createListeners } from '../../lib/listeners.ts';
import { revealingJson } from '../../lib/secret.ts';
import { isInShard } from './shard.ts';
import { createNameResolver, type KnownTargets, type Lookup, lookUp, type NameResolver } from './sources.ts';
import { type IgnoredTarget, routersOf } from './targets.ts';

export type Discovery = ReturnType<typeof createDiscovery>;

export interface GroupState {
  readonly group: string;
  /** Number of discovered routers, in this shard. */
  readonly found: number;
  /** Those that are not followed. */
  readonly ignored: readonly IgnoredTarget[];
  readonly faults: readonly string[];
  /** When all sources were read without a fault; undefined: never. Monotonic milliseconds. */
  readonly succeededAt: number | undefined;
}

export interface DiscoveryChange {
  readonly state: GroupState;
  /** Whether the routers of `current` have changed. */
  readonly changed: boolean;
}

/** Start and reload do not wait longer than this for sources that do not answer. */
const FIRST_LOOKUPS_MS = 6000;

interface Group {
  config: DiscoveryConfig;
  resolver: NameResolver;
  known: KnownTargets;
  last?: Lookup;
  succeededAt?: number;
  /** Cancels the next lookup. */
  cancel(): void;
}

/** Looks up the routers of each group, at the group's interval. */
export function createDiscovery(
  config: Config,
  clock: Clock,
  resolverOf: (group: DiscoveryConfig) => NameResolver = createNameResolver,
) {
  const changes = createListeners<DiscoveryChange>();
  let configured = config;
  let current = config;
  let groups: readonly Group[] = [];
  let merged = routersOf(config.routers, [], isOurs);

  return {
    /** The followed configuration; its `routers` include the discovered ones. */
    get current(): Config {
      return current;
    },
    /** The groups that have been looked up at least once. */
    groups: (): readonly GroupState[] =>
      groups.flatMap((group) => (group.last ? [stateOf(group, group.last)] : [])),
    /** Follows another configuration. Resolves when its new groups are looked up, after six seconds at the latest. */
    async follow(next: Config): Promise<void> {
      const before = groups;
      configured = next;
      // An unchanged group keeps what it knows.
      groups = next.discovery.map(
        (group) => before.find(({ config }) => isSame(config, group)) ?? createGroup(group),
      );
      for (const group of before) if (!groups.includes(group)) end(group);
      merge();
      const added = groups.filter((group) => !before.includes(group));
      await within(FIRST_LOOKUPS_MS, Promise.all(added.map(refresh)), clock);
    },
    /** Called after every lookup whose result differs from the one before. */
    onChange: changes.add,
    stop(): void {
      for (const group of groups) end(group);
      groups = [];
    },
  };

  function createGroup(config: DiscoveryConfig): Group {
    return { config, resolver: resolverOf(config), known: new Map(), cancel() {} };
  }

  function end({ resolver, cancel }: Group): void {
    cancel();
    resolver.stop();
  }

  async function refresh(group: Group): Promise<void> {
    const lookup = await lookUp(group.config, group.resolver, group.known);
    if (!groups.includes(group)) return;
    const before = group.last;
    group.last = lookup;
    if (lookup.faults.length === 0) group.succeededAt = clock.now();
    const changed = merge();
    group.cancel = clock.after(group.config.interval * 1000, () => void refresh(group));
    if (changed || JSON.stringify(before) !== JSON.stringify(lookup)) {
      changes.notify({ state: stateOf(group, lookup), changed });
    }
  }

  /** Updates `current`; returns whether its routers have changed. */
  function merge(): boolean {
    const before = merged.routers;
    const discovered = groups.map(({ config, last }) => ({ group: config, targets: last?.targets ?? [] }));
    merged = routersOf(configured.routers, discovered, isOurs);
    current = Object.freeze({ ...configured, routers: merged.routers });
    return JSON.stringify(before) !== JSON.stringify(merged.routers);
  }

  function stateOf({ config, succeededAt }: Group, { targets, faults }: Lookup): GroupState {
    const ignored = merged.ignored.filter(({ group }) => group === config.name);
    const found = targets.filter(({ name }) => isOurs(name)).length;
    return { group: config.name, found, ignored, faults, succeededAt };
  }

  function isOurs(name: string): boolean {
    return isInShard(name, configured.follow);
  }
}

function isSame(one: DiscoveryConfig, other: DiscoveryConfig): boolean {
  return revealingJson(one) === revealingJson(other);
}
