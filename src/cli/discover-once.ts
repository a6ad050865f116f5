import type { Config } from '../config/schema.ts';
import { createDiscovery } from '../fleet/discovery/discovery.ts';
import type { NameResolver } from '../fleet/discovery/sources.ts';
import { systemClock } from '../lib/clock.ts';
import { printable } from './text.ts';

/** The configuration with the routers that discovery finds now, of all shards, and what was wrong, by group. */
export async function discoverOnce(given: Config, resolver?: NameResolver) {
  const config = { ...given, follow: { ...given.follow, total_shards: 1 } };
  const discovery = createDiscovery(config, systemClock, resolver && (() => resolver));
  await discovery.follow(config);
  const groups = printable(discovery.groups());
  discovery.stop();
  const problems = config.discovery.flatMap(({ name }) => {
    const state = groups.find(({ group }) => group === name);
    const faults = state?.faults ?? ['no answer in time'];
    const ignored = state?.ignored.map(({ target, why }) => `${target} is ignored: ${why}`) ?? [];
    const problem = (isFault: boolean) => (message: string) => ({ group: name, message, isFault });
    return [...faults.map(problem(true)), ...ignored.map(problem(false))];
  });
  return { found: discovery.current, problems };
}
