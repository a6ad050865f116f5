import { CATALOG } from '../metrics/catalog.ts';
import { createMetricRegistry } from '../metrics/registry.ts';
import type { Transition } from '../models/router-state.ts';
import {
  type Operation,
  type OperationResult,
  OUTCOMES,
  REFUSAL_REASONS,
  type RefusalReason,
} from '../unload/report.ts';
import { LOAD_TRIGGERS, TRIGGERS, type UnloadRequest } from '../unload/request.ts';

/** In the order of the scrape. */
const FAMILIES = [
  CATALOG.unload_operations_total,
  CATALOG.load_operations_total,
  CATALOG.unload_refusals_total,
  CATALOG.unload_duration_seconds,
  CATALOG.unload_freed_bytes_total,
  CATALOG.hold_enforced_unloads_total,
  CATALOG.hold_wait_seconds,
  CATALOG.restored_models_total,
];

const UNLOAD_TRIGGERS = TRIGGERS.filter((trigger) => trigger !== 'restore');
/** An unload is not refused because of a hold. */
const UNLOAD_REFUSALS = REFUSAL_REASONS.filter((reason) => reason !== 'held');

/** How the load of a model after a hold ended. */
const RESTORE_RESULTS = ['loaded', 'failed', 'skipped'] as const;

function restored(result: OperationResult): (typeof RESTORE_RESULTS)[number] {
  if (result === 'loaded') return result;
  return result === 'skipped' || result === 'already_loaded' ? 'skipped' : 'failed';
}

export type OperationMetrics = ReturnType<typeof createOperationMetrics>;

/** Counters of operations and refused requests. */
export function createOperationMetrics() {
  const registry = createMetricRegistry(FAMILIES);
  const { add, create, samples, snapshot, restore } = registry;
  // A series that starts at 0 lets increase() see its first increment.
  for (const trigger of UNLOAD_TRIGGERS) {
    for (const outcome of OUTCOMES) create(CATALOG.unload_operations_total, { trigger, outcome });
  }
  for (const trigger of LOAD_TRIGGERS) {
    for (const outcome of OUTCOMES) create(CATALOG.load_operations_total, { trigger, outcome });
  }
  for (const state of ['active', 'failed']) create(CATALOG.hold_wait_seconds, { state });
  for (const reason of UNLOAD_REFUSALS) create(CATALOG.unload_refusals_total, { reason });

  return {
    /** The series of a router appear when it is added and disappear when it is removed. */
    transition(transition: Transition): void {
      if (transition.kind !== 'router') return;
      const { router, change } = transition;
      if (change === 'removed') registry.hide({ router });
      if (change !== 'added') return;
      registry.show({ router });
      create(CATALOG.unload_freed_bytes_total, { router });
      create(CATALOG.hold_enforced_unloads_total, { router });
      for (const result of RESTORE_RESULTS) create(CATALOG.restored_models_total, { router, result });
    },
    unload(operation: Operation, { enforcesHold }: Pick<UnloadRequest, 'enforcesHold'>): void {
      const { trigger, outcome, routers } = operation;
      if (outcome !== null) add(CATALOG.unload_operations_total, { trigger, outcome });
      for (const { router, models, memory, refused } of routers) {
        if (refused) add(CATALOG.unload_refusals_total, { reason: refused.reason });
        if (memory) add(CATALOG.unload_freed_bytes_total, { router }, memory.freed_bytes);
        for (const model of models) {
          if (model.result !== 'unloaded' && model.result !== 'forced') continue;
          if (model.seconds !== undefined) add(CATALOG.unload_duration_seconds, { router }, model.seconds);
          if (enforcesHold) add(CATALOG.hold_enforced_unloads_total, { router });
        }
      }
    },
    /** A finished load. */
    load({ trigger, outcome, routers }: Operation): void {
      if (outcome !== null) add(CATALOG.load_operations_total, { trigger, outcome });
      if (trigger !== 'restore') return;
      for (const { router, models } of routers) {
        for (const { result } of models) {
          if (result !== null) add(CATALOG.restored_models_total, { router, result: restored(result) });
        }
      }
    },
    /** A hold whose preparation has ended. `seconds`: since it was placed. */
    holdPrepared(state: 'active' | 'failed', seconds: number): void {
      add(CATALOG.hold_wait_seconds, { state }, seconds);
    },
    refusal: (reason: RefusalReason): void => add(CATALOG.unload_refusals_total, { reason }),
    samples,
    snapshot,
    restore,
  };
}
