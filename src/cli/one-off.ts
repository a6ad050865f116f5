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

/** A result, and whether discovery failed in part, so that there may be more routers. */
export interface OneOff<T> {
  result: T;
  missed: boolean;
}

/** The configuration with the routers that discovery finds; prints what was wrong. */
export async function withDiscovered({ configSource, terminal }: Call): Promise<OneOff<Config>> {
  const { found, problems } = await discoverOnce(configSource().current);
  for (const { group, message } of problems) terminal.err(`discovery of ${group}: ${message}\n`);
  return { result: found, missed: problems.some(({ isFault }) => isFault) };
}

/** Follows the routers while `work` runs, with events, as the service does. */
export async function withFleet<T>(
  call: Call,
  options: FleetOptions,
  work: (fleet: Fleet, config: Config) => Promise<T>,
): Promise<OneOff<T>> {
  const { result: config, missed } = await withDiscovered(call);
  const fleet = createFleet(systemClock, options);
  try {
    await fleet.apply(config);
    await fleet.ready();
    return { result: await work(fleet, config), missed };
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
