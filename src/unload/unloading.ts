import type { Config } from '../config/schema.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import type { Memory } from '../memory/memory.ts';
import { createGuards, type Guards, type Loop } from './guards.ts';
import { createOperations, type Operations } from './operations.ts';
import type { UnloadTerms } from './request.ts';
import type { RunContext } from './run.ts';

/** Operations and guards as the configuration sets them up. */
export interface Unloading {
  operations: Operations;
  guards: Guards;
  /** The configured keep list of a router. */
  keep(router: string): readonly string[];
}

export interface UnloadingOptions {
  onLoop?: (loop: Loop) => void;
  /** The memory of this machine; without it, what an unload frees is not reported. */
  memory?: Pick<Memory, 'fresh' | 'ofRouter'>;
}

export function createUnloading(
  fleet: Pick<Fleet, 'controls' | 'store'>,
  config: () => Config,
  clock: Clock,
  { onLoop = () => {}, memory }: UnloadingOptions = {},
): Unloading {
  const rules = () => {
    const { unload, lifecycle } = config();
    return {
      cooldownMs: unload.cooldown * 1000,
      windowMs: lifecycle.reload_window * 1000,
      loopCount: unload.loop_count,
      pauseMinMs: unload.loop_pause_min * 1000,
      pauseMaxMs: unload.loop_pause_max * 1000,
    };
  };
  const guards = createGuards(clock, rules, onLoop);
  fleet.store.onTransition(guards.observe);
  const keep = (router: string) => {
    const { unload, routers } = config();
    return [...unload.keep, ...(routers.find(({ name }) => name === router)?.keep ?? [])];
  };
  const measuring = memory && { measure: measureBy(memory, config) };
  return {
    operations: createOperations({ controls: fleet.controls, keep, guards, clock, ...measuring }),
    guards,
    keep,
  };
}

/** The longest that unloads wait for a new reading: it takes milliseconds, unless a driver is slow. */
const BRIEFLY_MS = 2000;

/** Timeouts of one source: of two in the reading that runs, and of two in the next. */
const TIMEOUTS_OF_A_READING = 4;

function measureBy(
  memory: NonNullable<UnloadingOptions['memory']>,
  config: () => Config,
): RunContext['measure'] {
  return async (router, how) => {
    const last = memory.ofRouter(router);
    if (last === undefined) return undefined;
    const timeoutMs = TIMEOUTS_OF_A_READING * config().memory.timeout * 1000;
    const fresh = await memory.fresh(how === 'briefly' ? Math.min(BRIEFLY_MS, timeoutMs) : timeoutMs);
    if (fresh) return memory.ofRouter(router);
    return how === 'briefly' ? last : undefined;
  };
}

/** The terms of an unload for which the request states nothing else. */
export function defaultTerms({ unload }: Config): UnloadTerms {
  return {
    whenBusy: unload.when_busy,
    busyTimeoutMs: unload.busy_timeout * 1000,
    timeoutMs: unload.timeout * 1000,
    verify: true,
    dryRun: false,
  };
}
