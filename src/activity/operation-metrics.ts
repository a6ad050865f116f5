import { CATALOG } from '../metrics/catalog.ts';
import { createMetricRegistry } from '../metrics/registry.ts';
import type { Transition } from '../models/router-state.ts';
import { type Operation, OUTCOMES, REFUSAL_REASONS, type RefusalReason } from '../unload/report.ts';
import { TRIGGERS, type UnloadRequest } from '../unload/request.ts';

/** In the order of the scrape. */
const FAMILIES = [
  CATALOG.unloadOperations,
  CATALOG.unloadRefusals,
  CATALOG.unloadDuration,
  CATALOG.unloadFreed,
  CATALOG.holdEnforced,
];

export type OperationMetrics = ReturnType<typeof createOperationMetrics>;

/** Counters of operations and refused requests. */
export function createOperationMetrics() {
  const registry = createMetricRegistry(FAMILIES);
  const { add, samples, snapshot, restore } = registry;
  // A series that starts at 0 lets increase() see its first increment.
  for (const trigger of TRIGGERS) {
    for (const outcome of OUTCOMES) add(CATALOG.unloadOperations, { trigger, outcome }, 0);
  }
  for (const reason of REFUSAL_REASONS) add(CATALOG.unloadRefusals, { reason }, 0);

  return {
    /** The series of a router appear when it is added and disappear when it is removed. */
    transition(transition: Transition): void {
      if (transition.kind !== 'router') return;
      const { router, change } = transition;
      if (change === 'removed') registry.hide({ router });
      if (change !== 'added') return;
      registry.show({ router });
      add(CATALOG.unloadFreed, { router }, 0);
      add(CATALOG.holdEnforced, { router }, 0);
    },
    operation(operation: Operation, { enforcesHold }: Pick<UnloadRequest, 'enforcesHold'>): void {
      const { trigger, outcome, routers } = operation;
      if (outcome !== null) add(CATALOG.unloadOperations, { trigger, outcome });
      for (const { router, models, memory, refused } of routers) {
        if (refused) add(CATALOG.unloadRefusals, { reason: refused.reason });
        if (memory) add(CATALOG.unloadFreed, { router }, memory.freed_bytes);
        for (const model of models) {
          if (model.result !== 'unloaded' && model.result !== 'forced') continue;
          if (model.seconds !== undefined) add(CATALOG.unloadDuration, { router }, model.seconds);
          if (enforcesHold) add(CATALOG.holdEnforced, { router });
        }
      }
    },
    refusal: (reason: RefusalReason): void => add(CATALOG.unloadRefusals, { reason }),
    samples,
    snapshot,
    restore,
  };
}
