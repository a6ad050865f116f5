import type { Config } from '../config/schema.ts';
import { createFleet, type Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { systemClock } from '../lib/clock.ts';
import { type Call, choiceFlag } from './command.ts';
import { OUTPUTS } from './command-flags.ts';
import { discoverOnce } from './discover-once.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './text.ts';

export function outputOf(call: Call): (typeof OUTPUTS)[number] {
  return choiceFlag(call, 'output', OUTPUTS) ?? 'text';
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
