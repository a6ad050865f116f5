import { CATALOG } from '../metrics/catalog.ts';
import { type CounterValue, restoreTo, snapshotOf } from '../metrics/counters.ts';
import type { Samples } from '../metrics/family.ts';
import { createMetricRegistry } from '../metrics/registry.ts';
import { createRetired } from '../metrics/retired.ts';
import type { Transition } from '../models/router-state.ts';
import { type Operation, OUTCOMES, REFUSAL_REASONS, type RefusalReason } from '../unload/report.ts';
import { TRIGGERS, type UnloadRequest } from '../unload/request.ts';

/** Counters of operations and refused requests. */
export interface OperationMetrics {
  /** The series of a router appear when it is added and disappear when it is removed. */
  transition(transition: Transition): void;
  operation(operation: Operation, request: Pick<UnloadRequest, 'enforcesHold'>): void;
  refusal(reason: RefusalReason): void;
  samples(): Promise<Samples[]>;
  snapshot(): Promise<CounterValue[]>;
  restore(values: readonly CounterValue[]): void;
}

/** Removed routers whose counters are kept in case they return. */
const RETIRED_ROUTERS = 1000;

export function createOperationMetrics(isPresent: (router: string) => boolean): OperationMetrics {
  const counting = createMetricRegistry(({ router }) => router === undefined || isPresent(router));
  const operations = counting(CATALOG.unloadOperations);
  const refusals = counting(CATALOG.unloadRefusals);
  const duration = counting(CATALOG.unloadDuration);
  const freed = counting(CATALOG.unloadFreed);
  const enforced = counting(CATALOG.holdEnforced);
  const all = [operations, refusals, duration, freed, enforced];
  const retired = createRetired<string>(RETIRED_ROUTERS, (router) => {
    for (const family of [duration, freed, enforced]) family.forget({ router });
  });
  // A series that starts at 0 lets increase() see its first increment.
  for (const trigger of TRIGGERS) {
    for (const outcome of OUTCOMES) operations.add({ trigger, outcome }, 0);
  }
  for (const reason of REFUSAL_REASONS) refusals.add({ reason }, 0);

  return {
    transition(transition) {
      if (transition.kind !== 'router') return;
      const { router, change } = transition;
      if (change === 'added') {
        retired.present(router);
        freed.add({ router }, 0);
        enforced.add({ router }, 0);
      } else if (change === 'removed') {
        retired.add(router);
      } else {
        return;
      }
      for (const family of all) family.refresh();
    },
    operation({ trigger, outcome, routers }, { enforcesHold = false }) {
      if (outcome !== null) operations.add({ trigger, outcome });
      for (const { router, models, memory, refused } of routers) {
        if (refused) refusals.add({ reason: refused.reason });
        if (memory) freed.add({ router }, memory.freed_bytes);
        for (const model of models) {
          if (model.result !== 'unloaded' && model.result !== 'forced') continue;
          if (model.seconds !== undefined) duration.add({ router }, model.seconds);
          if (enforcesHold) enforced.add({ router });
        }
      }
    },
    refusal: (reason) => refusals.add({ reason }),
    samples: () => Promise.all(all.map((family) => family.samples())),
    snapshot: () => snapshotOf(all),
    restore: (values) =>
      restoreTo(all, values, ({ router }) => {
        if (router !== undefined && !isPresent(router)) retired.recall(router);
      }),
  };
}
