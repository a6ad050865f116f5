import { CATALOG } from '../metrics/catalog.ts';
import { type CounterValue, restoreTo, snapshotOf } from '../metrics/counters.ts';
import type { Samples } from '../metrics/family.ts';
import { createMetricRegistry } from '../metrics/registry.ts';
import { createRetired } from '../metrics/retired.ts';
import type { Operation, RefusalReason } from '../unload/report.ts';
import type { UnloadRequest } from '../unload/request.ts';

/** Counts what this exporter does, and what it refuses to do. */
export interface OperationMetrics {
  /** A router is there from now on: its series begin at 0, or go on. */
  added(router: string): void;
  removed(router: string): void;
  operation(operation: Operation, request: Pick<UnloadRequest, 'enforcesHold'>): void;
  refusal(reason: RefusalReason): void;
  samples(): Promise<Samples[]>;
  snapshot(): Promise<CounterValue[]>;
  restore(values: readonly CounterValue[]): void;
}

/** Counters of at least so many routers that are gone are kept for their return. */
const ROUTERS_KEPT = 1000;

/** `first` are the values that labels can have: their series begin at 0. */
export function createOperationMetrics(
  isPresent: (router: string) => boolean,
  first: {
    triggers: readonly Operation['trigger'][];
    outcomes: readonly NonNullable<Operation['outcome']>[];
    refusals: readonly RefusalReason[];
  },
): OperationMetrics {
  const counting = createMetricRegistry(({ router }) => router === undefined || isPresent(router));
  const operations = counting(CATALOG.unloadOperations);
  const refusals = counting(CATALOG.unloadRefusals);
  const duration = counting(CATALOG.unloadDuration);
  const freed = counting(CATALOG.unloadFreed);
  const enforced = counting(CATALOG.holdEnforced);
  const all = [operations, refusals, duration, freed, enforced];
  const retired = createRetired<string>(ROUTERS_KEPT, (router) => {
    for (const family of [duration, freed, enforced]) family.forget({ router });
  });
  for (const trigger of first.triggers) {
    for (const outcome of first.outcomes) operations.add({ trigger, outcome }, 0);
  }
  for (const reason of first.refusals) refusals.add({ reason }, 0);

  return {
    added(router) {
      retired.present(router);
      freed.add({ router }, 0);
      enforced.add({ router }, 0);
      for (const family of all) family.refresh();
    },
    removed(router) {
      retired.add(router);
      for (const family of all) family.refresh();
    },
    operation({ trigger, outcome, routers }, { enforcesHold = false }) {
      if (outcome !== null) operations.add({ trigger, outcome });
      for (const { router, models, memory, refused } of routers) {
        if (refused) refusals.add({ reason: refused.reason });
        if (memory) freed.add({ router }, memory.freed_bytes);
        for (const model of models) {
          const isGone = model.result === 'unloaded' || model.result === 'forced';
          if (isGone && model.seconds !== undefined) duration.add({ router }, model.seconds);
          if (isGone && enforcesHold) enforced.add({ router });
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
