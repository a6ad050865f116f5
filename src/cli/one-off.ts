import type { Config } from '../config/schema.ts';
import { createDiscovery } from '../fleet/discovery/discovery.ts';
import type { NameResolver } from '../fleet/discovery/sources.ts';
import { createFleet, type Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { systemClock } from '../lib/clock.ts';
import { type Call, choiceFlag } from './command.ts';
import { OUTPUTS } from './command-flags.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './text.ts';

export function outputOf(call: Call): (typeof OUTPUTS)[number] {
  return choiceFlag(call, 'output', OUTPUTS) ?? 'text';
}

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

/** The same with its problems printed. `missed`: discovery failed in part, so there may be more routers. */
export async function withDiscovered(
  config: Config,
  terminal: Terminal,
): Promise<{ found: Config; missed: boolean }> {
  const { found, problems } = await discoverOnce(config);
  for (const { group, message } of problems) terminal.err(`discovery of ${group}: ${message}\n`);
  return { found, missed: problems.some(({ isFault }) => isFault) };
}

/** Follows the configured routers while `work` runs, with events, as the service does. */
export async function withFleet<T>(
  config: Config,
  options: FleetOptions,
  work: (fleet: Fleet) => Promise<T>,
): Promise<T> {
  const fleet = createFleet(systemClock, options);
  try {
    await fleet.apply(config);
    await fleet.ready();
    return await work(fleet);
  } finally {
    await fleet.stop();
  }
}

/** Prints why each of these routers could not be used. */
export function reportUnreachable(
  faults: readonly { router: string; message: string }[],
  terminal: Terminal,
): void {
  for (const { router, message } of printable(faults)) terminal.err(`${router}: ${message}\n`);
  if (faults.length > 0) terminal.err('Run `llama-router-exporter doctor` to find out what to do.\n');
}
