import { FAULT_KINDS } from '../models/feed.ts';
import { type Change, type Notice, type Transition, UNLOAD_REASONS } from '../models/router-state.ts';
import { type Cause, REPORTED_CAUSES, type ReportedCause, TASKS, type Task } from '../models/usage.ts';
import { CATALOG } from './catalog.ts';
import { createMetricRegistry } from './registry.ts';

export type LifecycleMetrics = ReturnType<typeof createLifecycleMetrics>;

/** Series of events per router. The names come from the router, which has few: more are counted as `other`. */
const EVENTS_LIMIT = 40;

/** In the order of the scrape. */
const FAMILIES = [
  CATALOG.model_loads_total,
  CATALOG.model_load_failures_total,
  CATALOG.model_unloads_total,
  CATALOG.model_forced_stops_total,
  CATALOG.model_sleeps_total,
  CATALOG.model_wakes_total,
  CATALOG.model_reloads_after_unload_total,
  CATALOG.model_load_duration_seconds,
  CATALOG.model_reload_after_unload_seconds,
  CATALOG.events_total,
  CATALOG.event_stream_reconnects_total,
  CATALOG.poll_duration_seconds,
  CATALOG.poll_errors_total,
  CATALOG.usage_reports_total,
];

/** Causes whose series start at 0 once a client has reported a request; those of our own loads start with the first. */
const STARTED_CAUSES: readonly Cause[] = [...REPORTED_CAUSES, 'unknown'];

/** Counts what happens to models and routers, and the reports of who uses them. */
export function createLifecycleMetrics() {
  const registry = createMetricRegistry(FAMILIES);
  const { add, create, samples, snapshot, restore } = registry;
  /** Until a client reports its requests, reloads have this cause only: fewer series. */
  let causes: readonly Cause[] = ['unknown'];
  for (const cause of REPORTED_CAUSES)
    if (cause !== 'task') create(CATALOG.usage_reports_total, { cause, task: '' });
  for (const task of [...TASKS, 'other']) create(CATALOG.usage_reports_total, { cause: 'task', task });

  return {
    transition(transition: Transition): void {
      const { router } = transition;
      if (transition.kind === 'model') count(transition);
      if (transition.kind !== 'router') return;
      if (transition.change === 'added') startRouter(router);
      if (transition.change === 'removed') registry.hide({ router });
    },
    notice(notice: Notice): void {
      const { router } = notice;
      switch (notice.kind) {
        case 'event':
          return countEvent(router, notice.event);
        case 'reconnecting':
          return add(CATALOG.event_stream_reconnects_total, { router });
        case 'polled':
          add(CATALOG.poll_duration_seconds, { router }, notice.seconds);
          if (notice.fault) add(CATALOG.poll_errors_total, { router, fault: notice.fault });
      }
    },
    /** A client announced a request. */
    reported(cause: ReportedCause, task?: Task): void {
      add(CATALOG.usage_reports_total, { cause, task: task ?? '' });
      if (causes === STARTED_CAUSES) return;
      causes = STARTED_CAUSES;
      for (const model of registry.models()) startReloads(model);
    },
    samples,
    snapshot,
    restore,
  };

  function count({ router, model, change, cause }: Transition & { kind: 'model' }): void {
    const labels = { router, model };
    switch (change.kind) {
      case 'appeared':
        return startModel(labels);
      case 'vanished':
        return registry.hide(labels);
      case 'loaded':
        return countLoad(labels, change, cause);
      case 'load_failed':
        return add(CATALOG.model_load_failures_total, labels);
      case 'unloaded':
        if (change.forced) add(CATALOG.model_forced_stops_total, labels);
        return add(CATALOG.model_unloads_total, { router, model, reason: change.reason });
      case 'slept':
        return add(CATALOG.model_sleeps_total, labels);
      case 'woke':
        return add(CATALOG.model_wakes_total, labels);
      case 'status':
        return;
    }
  }

  function countLoad(
    labels: { router: string; model: string },
    { durationSeconds, reload }: Change & { kind: 'loaded' },
    cause: Cause = 'unknown',
  ): void {
    const { router, model } = labels;
    add(CATALOG.model_loads_total, labels);
    if (durationSeconds !== undefined) add(CATALOG.model_load_duration_seconds, labels, durationSeconds);
    if (!reload) return;
    add(CATALOG.model_reloads_after_unload_total, { router, model, unload_reason: reload.reason, cause });
    add(CATALOG.model_reload_after_unload_seconds, { router }, reload.afterSeconds);
  }

  function countEvent(router: string, event: string): void {
    const counted = registry.rows(CATALOG.events_total, { router });
    const isCounted = counted.some(({ labels }) => labels.event === event);
    const name = isCounted || counted.length < EVENTS_LIMIT ? event : 'other';
    add(CATALOG.events_total, { router, event: name });
  }

  function startRouter(router: string): void {
    registry.show({ router });
    create(CATALOG.event_stream_reconnects_total, { router });
    for (const fault of FAULT_KINDS) create(CATALOG.poll_errors_total, { router, fault });
  }

  function startModel(labels: { router: string; model: string }): void {
    registry.show(labels);
    for (const family of [
      CATALOG.model_loads_total,
      CATALOG.model_load_failures_total,
      CATALOG.model_forced_stops_total,
      CATALOG.model_sleeps_total,
      CATALOG.model_wakes_total,
    ]) {
      create(family, labels);
    }
    const { router, model } = labels;
    // No spread: see collectors/models.ts.
    for (const reason of UNLOAD_REASONS) create(CATALOG.model_unloads_total, { router, model, reason });
    startReloads(labels);
  }

  function startReloads({ router, model }: { router: string; model: string }): void {
    for (const unload_reason of UNLOAD_REASONS) {
      for (const cause of causes)
        create(CATALOG.model_reloads_after_unload_total, { router, model, unload_reason, cause });
    }
  }
}
