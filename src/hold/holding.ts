import type { Config } from '../config/schema.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { createLoads } from '../load/loads.ts';
import type { Memory } from '../memory/memory.ts';
import type { StatePart } from '../state/keep-state.ts';
import type { Measure } from '../unload/measure.ts';
import type { Operations } from '../unload/operations.ts';
import type { Refusal } from '../unload/report.ts';
import type { LoadRequest } from '../unload/request.ts';
import { gateOf } from './hold.ts';
import { createHolds, HOLDS } from './holds.ts';
import { createLoans, LOANS } from './loans.ts';
import { holdForOperations } from './operation-holds.ts';
import { createPreparations } from './preparation.ts';
import { createRestores } from './restores.ts';

interface HoldingParts {
  fleet: Pick<Fleet, 'store' | 'controls'>;
  operations: Operations;
  memory: Pick<Memory, 'ofRouter'>;
  measure: Measure;
  config(): Config;
  clock: Clock;
  /** Resolves when the state file has everything of this moment. */
  save(): Promise<void>;
}

/** The orders of an earlier process have taken effect by then at the latest: llama-server kills a model 10 s after its unload was ordered. */
const EARLIER_ORDERS_MS = 15_000;

/** Holds and loads: what keeps memory free, and what fills it again. */
export function createHolding(parts: HoldingParts) {
  const { fleet, operations, config, clock, save } = parts;
  const { store } = fleet;
  let cancelSettling = () => {};
  const holds = createHolds(clock);
  const loans = createLoans(store);
  const loads = createLoads({ operations, controls: fleet.controls, held, clock });
  const preparations = createPreparations({ ...parts, holds, loans });
  const restores = createRestores({
    ...parts,
    ...{ holds, loans, loads, preparations, store },
    timeoutMs: () => config().load.timeout * 1000,
  });
  operations.onBegin(loans.observeUnload);
  store.onTransition(loans.observe);
  holdForOperations(operations, holds, () => config().hold, clock);
  holds.onChange(save);
  loans.onStruck(save);
  return {
    holds,
    loads,
    stateParts: [
      { ...HOLDS, ...holds },
      { ...LOANS, ...loans },
    ] as readonly StatePart[],
    /** Holds expire from now on. */
    start: holds.start,
    /** Once every router is listed: finishes what an earlier process began. */
    resume(): void {
      preparations.resume();
      const cancelTimer = clock.after(EARLIER_ORDERS_MS, settle);
      const stopObserving = store.onTransition(settleEarly);
      cancelSettling = () => {
        cancelTimer();
        stopObserving();
      };
      settleEarly();
    },
    stop(): void {
      cancelSettling();
      holds.stop();
    },
  };

  function settleEarly(): void {
    if (!loans.hasUnsettled()) settle();
  }

  function settle(): void {
    cancelSettling();
    loans.settle();
    restores.start();
  }

  /** Why a router is not loaded on: a hold stands on it that is not the one of the request. */
  function held(router: string, { hold }: LoadRequest): Refusal | undefined {
    const others = holds.on(router).filter(({ id }) => id !== hold);
    return gateOf(router, others, undefined, clock);
  }
}
