import { CATALOG } from '../metrics/catalog.ts';
import { createMetricRegistry, type MetricRegistry } from '../metrics/registry.ts';
import type { Transition } from '../models/router-state.ts';
import { type Operation, OUTCOMES, REFUSAL_REASONS, type RefusalReason } from '../unload/report.ts';
import { TRIGGERS, type UnloadRequest } from '../unload/request.ts';

/** Counters of operations and refused requests. */
export interface OperationMetrics extends Pick<MetricRegistry, 'samples' | 'snapshot' | 'restore'> {
  /** The series of a router appear when it is added and disappear when it is removed. */
  transition(transition: Transition): void;
  operation(operation: Operation, request: Pick<UnloadRequest, 'enforcesHold'>): void;
  refusal(reason: RefusalReason): void;
}

/** In the order of the scrape. */
const FAMILIES = [
  CATALOG.unloadOperations,
  CATALOG.unloadRefusals,
  CATALOG.unloadDuration,
  CATALOG.unloadFreed,
  CATALOG.holdEnforced,
];

export function createOperationMetrics(): OperationMetrics {
  const registry = createMetricRegistry(FAMILIES);
  const { add } = registry;
  // A series that starts at 0 lets increase() see its first increment.
  for (const trigger of TRIGGERS) {
    for (const outcome of OUTCOMES) add(CATALOG.unloadOperations, { trigger, outcome }, 0);
  }
  for (const reason of REFUSAL_REASONS) add(CATALOG.unloadRefusals, { reason }, 0);

  return {
    transition(transition) {
      if (transition.kind !== 'router') return;
      const { router, change } = transition;
      if (change === 'removed') registry.hide({ router });
      if (change !== 'added') return;
      registry.show({ router });
      add(CATALOG.unloadFreed, { router }, 0);
      add(CATALOG.holdEnforced, { router }, 0);
    },
    operation({ trigger, outcome, routers }, { enforcesHold = false }) {
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
    refusal: (reason) => add(CATALOG.unloadRefusals, { reason }),
    samples: registry.samples,
    snapshot: registry.snapshot,
    restore: registry.restore,
  };
}
