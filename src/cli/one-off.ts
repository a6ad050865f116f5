import type { Config } from '../config/schema.ts';
import { createDiscovery } from '../fleet/discovery/discovery.ts';
import { createFleet, type Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { systemClock } from '../lib/clock.ts';
import type { RouterState } from '../models/router-state.ts';
import type { CommandFlag } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export const OUTPUT_FLAG: CommandFlag = {
  name: 'output',
  value: 'text|json',
  description: 'How the result is written. Default: text.',
};

/** Reads `--output`. */
export function outputOf(value: string | undefined): 'text' | 'json' {
  if (value === undefined || value === 'text') return 'text';
  if (value === 'json') return 'json';
  throw new UsageError(`--output is text or json, not '${value}'`);
}

/**
 * The configuration with the routers that a look finds now. `missed`: it could not look everywhere, which it has told;
 * there may be more routers than it knows.
 */
export async function withDiscovered(
  config: Config,
  terminal: Terminal,
): Promise<{ found: Config; missed: boolean }> {
  const discovery = createDiscovery(config, systemClock);
  await discovery.follow(config);
  const groups = discovery.groups();
  discovery.stop();
  for (const { name } of config.discovery) {
    if (!groups.some(({ group }) => group === name)) {
      terminal.err(`discovery of ${name}: nobody answered in time\n`);
    }
  }
  for (const { group, faults, ignored } of groups) {
    for (const fault of faults) terminal.err(`discovery of ${group}: ${fault}\n`);
    for (const { target, why } of ignored)
      terminal.err(`discovery of ${group}: ${target} is left out: ${why}\n`);
  }
  const missed = groups.length < config.discovery.length || groups.some(({ faults }) => faults.length > 0);
  return { found: discovery.current, missed };
}

/** Follows the configured routers for as long as `work` takes: events included, as the service does. */
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

/** Tells of each router that cannot be reached; answers whether there was one. */
export function reportUnreachable(routers: readonly RouterState[], terminal: Terminal): boolean {
  const down = routers.filter(({ up }) => !up);
  for (const { name, fault } of down) {
    terminal.err(`${name}: ${fault?.message ?? 'has not answered'}\n`);
  }
  if (down.length > 0) terminal.err('Run `llama-router-exporter doctor` for what to do.\n');
  return down.length > 0;
}

/** The exit code when nothing else went wrong. */
export function exitCodeOf(routers: readonly RouterState[], missed = false): number {
  return missed || routers.some(({ up }) => !up) ? EXIT.unreachable : EXIT.done;
}
