import { createConfigSource } from '../../src/config/source.ts';
import type { RouterControl } from '../../src/fleet/fleet.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import type { AppParts } from '../../src/http/parts.ts';
import type { Memory } from '../../src/memory/memory.ts';
import { createService } from '../../src/service.ts';
import { aLog } from './a-log.ts';
import type { ObservedFleet } from './fleets.ts';

/** A machine whose memory is not measured. */
export const NO_MEMORY: Memory = {
  reading: () => undefined,
  fresh: async () => undefined,
  ofRouter: () => undefined,
  stop: async () => {},
};

export interface AppOptions extends Partial<AppParts> {
  controls?: readonly RouterControl[];
  /** Instead of loading the configuration again. */
  reload?: () => Promise<{ error?: string }>;
  /** Instead of the default section `hold`. */
  hold?: { max: number; enforce: boolean };
}

/**
 * The parts of a service that is built but not started, with the default configuration, on routers whose state and
 * controls are the test's. `more` replaces single parts.
 */
export function appParts(
  { store, clock }: ObservedFleet,
  { controls = [], reload, hold, ...more }: AppOptions = {},
): AppParts {
  const fleet = createFleet(clock, { readEngine: false });
  const { parts } = createService({
    config: createConfigSource({ env: {}, flags: {} }),
    log: { ...(more.log ?? aLog()), succeeded: () => undefined },
    version: more.version ?? '1.2.3',
    clock,
    memory: NO_MEMORY,
    fleet: { ...fleet, store, controls: () => [...controls] },
  });
  const { current } = parts.activeConfig;
  const activeConfig = {
    current: () => ({ ...current(), ...(hold && { hold }) }),
    reload: reload ?? parts.activeConfig.reload,
  };
  return { ...parts, isReady: () => true, activeConfig, ...more };
}
