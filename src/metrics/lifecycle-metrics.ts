import {
  CAUSES,
  type Cause,
  REPORTED_CAUSES,
  type ReportedCause,
  TASKS,
  type Task,
} from '../models/cause.ts';
import { FAULT_KINDS } from '../models/feed.ts';
import type { Change } from '../models/lifecycle-state.ts';
import type { Notice, Transition } from '../models/router-state.ts';
import { UNLOAD_REASONS } from '../models/status.ts';
import type { Reload } from '../models/usage.ts';
import { CATALOG } from './catalog.ts';
import { type CounterValue, restoreTo, snapshotOf } from './counters.ts';
import type { Samples } from './family.ts';
import { createMetricRegistry } from './registry.ts';
import { createRetired } from './retired.ts';

/** Counts what happens. Series of a model that is not there are kept but not shown. */
export interface LifecycleMetrics {
  transition(transition: Transition): void;
  notice(notice: Notice): void;
  /** Somebody is about to ask for a model. */
  reported(cause: ReportedCause, task?: Task): void;
  samples(): Promise<Samples[]>;
  /** The counters as they stand, to be given to `restore` of a later process. */
  snapshot(): Promise<CounterValue[]>;
  /** Adds to the counters; names and labels that are not ours any more are left out. */
  restore(values: readonly CounterValue[]): void;
}

/** Counters of at least so many vanished models, and routers, are kept for their return. */
const MODELS_KEPT = 2000;
const ROUTERS_KEPT = 1000;
/** Kinds of event of one router; it has a handful, but a label is not for a stranger to fill. */
const MOST_EVENTS = 40;

/**
 * `isPresent` tells whether a router, or a model of it, is believed to be there now; `causeOf` who asked for a load
 * that ended now, after an unload.
 */
export function createLifecycleMetrics(
  isPresent: (router: string, model?: string) => boolean,
  causeOf: (reload: Reload) => Cause,
): LifecycleMetrics {
  const counting = createMetricRegistry(
    ({ router, model }) => router === undefined || isPresent(router, model),
  );
  const ofModels = {
    loads: counting(CATALOG.modelLoads),
    loadFailures: counting(CATALOG.modelLoadFailures),
    unloads: counting(CATALOG.modelUnloads),
    sleeps: counting(CATALOG.modelSleeps),
    wakes: counting(CATALOG.modelWakes),
    reloads: counting(CATALOG.modelReloads),
    loadDuration: counting(CATALOG.modelLoadDuration),
  };
  const ofRouters = {
    reloadAfterUnload: counting(CATALOG.reloadAfterUnload),
    events: counting(CATALOG.events),
    streamReconnects: counting(CATALOG.streamReconnects),
    pollDuration: counting(CATALOG.pollDuration),
    pollErrors: counting(CATALOG.pollErrors),
  };
  const usageReports = counting(CATALOG.usageReports);
  const all = [...Object.values(ofModels), ...Object.values(ofRouters), usageReports];
  for (const cause of REPORTED_CAUSES) if (cause !== 'task') usageReports.add({ cause, task: '' }, 0);
  for (const task of [...TASKS, 'other'] as const) usageReports.add({ cause: 'task', task }, 0);
  const retiredModels = createRetired(MODELS_KEPT, forgetModel);
  const retiredRouters = createRetired(ROUTERS_KEPT, forgetRouter);
  /** Those that reloads may have: where nobody reports any, the series of all would be for nothing. */
  let causes: readonly Cause[] = ['unknown'];
  /** By router: the models that are there, and the kinds of event that were counted. */
  const modelsOf = new Map<string, Set<string>>();
  const eventsOf = new Map<string, Set<string>>();

  return {
    transition(transition) {
      const { router } = transition;
      if (transition.kind === 'model') {
        count(router, transition.model, transition.change);
      } else if (
        transition.kind === 'router' &&
        (transition.change === 'added' || transition.change === 'removed')
      ) {
        if (transition.change === 'added') startRouter(router);
        else retireRouter(router);
        for (const family of all) family.refresh();
      }
    },
    notice(notice) {
      const { router } = notice;
      switch (notice.kind) {
        case 'event':
          return countEvent(router, notice.event);
        case 'reconnecting':
          return ofRouters.streamReconnects.add({ router });
        case 'polled':
          ofRouters.pollDuration.add({ router }, notice.seconds);
          if (notice.fault) ofRouters.pollErrors.add({ router, fault: notice.fault });
      }
    },
    reported(cause, task) {
      usageReports.add({ cause, task: task ?? '' });
      if (causes === CAUSES) return;
      causes = CAUSES;
      for (const [router, models] of modelsOf) for (const model of models) startReloads(router, model);
    },
    samples: () => Promise.all(all.map((family) => family.samples())),
    snapshot: () => snapshotOf(all),
    restore(values) {
      restoreTo(all, values, ({ router, model, event }) => {
        if (router === undefined) return;
        if (event !== undefined) setOf(eventsOf, router).add(event);
        // Until it appears: else what was there long ago would be saved and restored for ever.
        if (!isPresent(router)) retiredRouters.recall({ router });
        if (model !== undefined && !isPresent(router, model)) retiredModels.recall({ router, model });
      });
    },
  };

  function count(router: string, model: string, change: Change): void {
    const labels = { router, model };
    switch (change.kind) {
      case 'appeared':
        retiredModels.present({ router, model });
        setOf(modelsOf, router).add(model);
        return startModel(router, model);
      case 'vanished':
        modelsOf.get(router)?.delete(model);
        for (const family of Object.values(ofModels)) family.refresh();
        return retiredModels.add({ router, model });
      case 'loaded':
        ofModels.loads.add(labels);
        if (change.durationSeconds !== undefined) ofModels.loadDuration.add(labels, change.durationSeconds);
        if (change.reload) {
          const { reason, afterSeconds: sinceUnloadSeconds } = change.reload;
          const { durationSeconds } = change;
          const cause = causeOf({ ...labels, durationSeconds, sinceUnloadSeconds });
          ofModels.reloads.add({ ...labels, unload_reason: reason, cause });
          ofRouters.reloadAfterUnload.add({ router }, sinceUnloadSeconds);
        }
        return;
      case 'load_failed':
        return ofModels.loadFailures.add(labels);
      case 'unloaded':
        return ofModels.unloads.add({ ...labels, reason: change.reason });
      case 'slept':
        return ofModels.sleeps.add(labels);
      case 'woke':
        return ofModels.wakes.add(labels);
      case 'status':
        return;
    }
  }

  /** Series begin at 0, so that `increase()` sees the first event. */
  function startModel(router: string, model: string): void {
    const labels = { router, model };
    for (const family of [ofModels.loads, ofModels.loadFailures, ofModels.sleeps, ofModels.wakes]) {
      family.add(labels, 0);
    }
    for (const reason of UNLOAD_REASONS) {
      ofModels.unloads.add({ ...labels, reason }, 0);
    }
    startReloads(router, model);
    ofModels.loadDuration.refresh();
  }

  function startReloads(router: string, model: string): void {
    for (const unload_reason of UNLOAD_REASONS) {
      for (const cause of causes) ofModels.reloads.add({ router, model, unload_reason, cause }, 0);
    }
  }

  function countEvent(router: string, name: string): void {
    const known = setOf(eventsOf, router);
    const event = known.has(name) || known.size < MOST_EVENTS ? name : 'other';
    known.add(event);
    ofRouters.events.add({ router, event });
  }

  function startRouter(router: string): void {
    retiredRouters.present({ router });
    ofRouters.streamReconnects.add({ router }, 0);
    for (const fault of FAULT_KINDS) ofRouters.pollErrors.add({ router, fault }, 0);
  }

  /** Its models are believed in no longer, without having been seen to vanish. */
  function retireRouter(router: string): void {
    for (const model of modelsOf.get(router) ?? []) retiredModels.add({ router, model });
    modelsOf.delete(router);
    retiredRouters.add({ router });
  }

  function forgetModel(labels: { router: string; model: string }): void {
    const { loads, loadFailures, sleeps, wakes, loadDuration } = ofModels;
    for (const family of [loads, loadFailures, sleeps, wakes, loadDuration]) family.forget(labels);
    for (const reason of UNLOAD_REASONS) {
      ofModels.unloads.forget({ ...labels, reason });
      for (const cause of CAUSES) ofModels.reloads.forget({ ...labels, unload_reason: reason, cause });
    }
  }

  function forgetRouter(labels: { router: string }): void {
    const { streamReconnects, pollDuration, reloadAfterUnload, pollErrors, events } = ofRouters;
    for (const family of [streamReconnects, pollDuration, reloadAfterUnload]) family.forget(labels);
    for (const fault of FAULT_KINDS) pollErrors.forget({ ...labels, fault });
    for (const event of eventsOf.get(labels.router) ?? []) events.forget({ ...labels, event });
    eventsOf.delete(labels.router);
  }
}

function setOf(sets: Map<string, Set<string>>, key: string): Set<string> {
  const known = sets.get(key) ?? new Set();
  sets.set(key, known);
  return known;
}
