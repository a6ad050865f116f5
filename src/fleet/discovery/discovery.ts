import type { Config, DiscoveryConfig } from '../../config/schema.ts';
import { type Clock, within } from '../../lib/clock.ts';
import { createListeners } from '../../lib/listeners.ts';
import { createGroup, type Findings, type Group } from './group.ts';
import { createNames, type Names } from './names.ts';
import { type Found, type Ignored, routersOf } from './routers.ts';

/** The configuration with the routers that were found, and how finding them goes. */
export interface Discovery {
  /** The configuration that is followed; its `routers` are also those that were found. */
  readonly current: Config;
  /** One entry for each group that has been looked for. */
  groups(): readonly GroupState[];
  /** Follows another configuration. Resolves when its groups have been looked for, or that takes too long. */
  follow(config: Config): Promise<void>;
  /** Hears of every look that came to something else than the one before it. */
  onChange(listener: (change: DiscoveryChange) => void): () => void;
  stop(): void;
}

export interface GroupState {
  readonly group: string;
  /** Routers that it told of. */
  readonly found: number;
  /** Of these, those that are not followed. */
  readonly ignored: readonly Ignored[];
  readonly faults: readonly string[];
  /** When everything could be looked at last, in milliseconds since the epoch; undefined: never. */
  readonly succeededAt: number | undefined;
}

export interface DiscoveryChange {
  readonly state: GroupState;
  /** Whether `current` has other routers now. */
  readonly changed: boolean;
}

/** Somebody who waits for routers waits no longer for whoever does not answer. */
const FIRST_LOOKS_MS = 6000;

interface Watched {
  config: DiscoveryConfig;
  group: Group;
  names: Names;
  findings?: Findings;
  succeededAt?: number;
  cancel(): void;
}

/** `namesOf` makes what asks the name servers of a group. */
export function createDiscovery(
  config: Config,
  clock: Clock,
  namesOf: (group: DiscoveryConfig) => Names = createNames,
): Discovery {
  const news = createListeners<DiscoveryChange>();
  let configured = config;
  let watched: readonly Watched[] = [];
  let all = routersOf(config.routers, []);
  let current = config;

  return {
    get current() {
      return current;
    },
    groups: () => watched.flatMap((each) => (each.findings ? [stateOf(each, each.findings)] : [])),
    async follow(next) {
      const ended = watched;
      configured = next;
      // A group that is as it was goes on with what it knows.
      watched = next.discovery.map(
        (group) => ended.find(({ config }) => isSame(config, group)) ?? watch(group),
      );
      for (const each of ended) if (!watched.includes(each)) end(each);
      merge();
      const fresh = watched.filter((each) => !ended.includes(each));
      await within(FIRST_LOOKS_MS, Promise.all(fresh.map(look)), clock);
    },
    onChange: news.add,
    stop() {
      for (const each of watched) end(each);
      watched = [];
    },
  };

  function watch(group: DiscoveryConfig): Watched {
    const names = namesOf(group);
    return { config: group, group: createGroup(group, names), names, cancel() {} };
  }

  function end({ names, cancel }: Watched): void {
    cancel();
    names.stop();
  }

  async function look(each: Watched): Promise<void> {
    const findings = await each.group.look();
    if (!watched.includes(each)) return;
    const before = each.findings;
    each.findings = findings;
    if (findings.faults.length === 0) each.succeededAt = clock.now();
    const changed = merge();
    each.cancel = clock.after(each.config.interval * 1000, () => void look(each));
    if (changed || JSON.stringify(before) !== JSON.stringify(findings)) {
      news.tell({ state: stateOf(each, findings), changed });
    }
  }

  /** Puts `current` together; answers whether its routers are others than before. */
  function merge(): boolean {
    const found = watched.flatMap(({ config, findings }): Found[] =>
      findings ? [{ group: config, targets: findings.targets }] : [],
    );
    const before = all.routers;
    all = routersOf(configured.routers, found);
    current = Object.freeze({ ...configured, routers: all.routers });
    return JSON.stringify(before) !== JSON.stringify(all.routers);
  }

  function stateOf({ config, succeededAt }: Watched, { targets, faults }: Findings): GroupState {
    const group = config.name;
    const ignored = all.ignored.filter((each) => each.group === group);
    return { group, found: targets.length, ignored, faults, succeededAt };
  }
}

/** Keys included: they are compared in the open, and shown to nobody. */
function isSame(one: DiscoveryConfig, other: DiscoveryConfig): boolean {
  const inTheOpen = ({ api_key, ...rest }: DiscoveryConfig) => JSON.stringify([rest, api_key?.reveal()]);
  return inTheOpen(one) === inTheOpen(other);
}
