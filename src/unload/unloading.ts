import type { Config } from '../config/schema.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import type { Memory } from '../memory/memory.ts';
import { createGuards, type Guards, type Loop } from './guards.ts';
import { createOperations, type Operations } from './operations.ts';
import type { UnloadRequest } from './request.ts';
import type { UnloadControl } from './unload-control.ts';

/** The operations on a fleet, by the rules of its configuration: what the service and the commands share. */
export interface Unloading {
  operations: Operations;
  guards: Guards;
  /** What is never unloaded on a router, whoever asks. */
  keep(router: string): readonly string[];
}

export interface UnloadingOptions {
  tellLoop?: (loop: Loop) => void;
  /** The memory of this machine, for what an unload frees and how much of it is enough. */
  memory?: Pick<Memory, 'fresh' | 'ofRouter'>;
}

/** A reading takes milliseconds, but a driver may take its time: models that are to go do not wait for it for longer. */
const BRIEFLY_MS = 2000;

/** The reading that is under way, the next, and what each asks beside the driver. */
const TIMEOUTS_OF_A_READING = 4;

export function createUnloading(
  fleet: Pick<Fleet, 'controls' | 'store'>,
  config: () => Config,
  clock: Clock,
  { tellLoop = () => {}, memory }: UnloadingOptions = {},
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
  const guards = createGuards(clock, rules, tellLoop);
  fleet.store.onTransition(guards.heed);
  const keep = (router: string) => {
    const { unload, routers } = config();
    return [...unload.keep, ...(routers.find(({ name }) => name === router)?.keep ?? [])];
  };
  const measure = async (router: string, how: 'briefly' | 'patiently') => {
    // Where nothing measures, nobody waits for it.
    const last = memory?.ofRouter(router);
    if (!memory || !last) return undefined;
    const patienceMs = TIMEOUTS_OF_A_READING * config().memory.timeout * 1000;
    const fresh = await memory.fresh(how === 'briefly' ? Math.min(BRIEFLY_MS, patienceMs) : patienceMs);
    if (fresh) return memory.ofRouter(router);
    return how === 'briefly' ? last : undefined;
  };
  const hands = () =>
    fleet.controls().map(
      (each): UnloadControl => ({
        ...each,
        memory: (how) => measure(each.state.name, how),
      }),
    );
  return { operations: createOperations({ hands, keep, guards, clock }), guards, keep };
}

/** What a request asks for when it does not say. */
export function defaultTerms({
  unload,
}: Config): Pick<UnloadRequest, 'whenBusy' | 'busyTimeoutMs' | 'timeoutMs' | 'verify' | 'dryRun'> {
  return {
    whenBusy: unload.when_busy,
    busyTimeoutMs: unload.busy_timeout * 1000,
    timeoutMs: unload.timeout * 1000,
    verify: true,
    dryRun: false,
  };
}
