import type { Notice, Transition } from '../models/belief.ts';
import { FAULT_KINDS } from '../models/feed.ts';
import type { Change } from '../models/life.ts';
import { UNLOAD_REASONS } from '../models/status.ts';
import { CATALOG } from './catalog.ts';
import { type CounterValue, restoreTo, snapshotOf } from './counters.ts';
import { createCountingRoom } from './counting.ts';
import type { Samples } from './family.ts';

/** Counts what happens. Series of a model that is not there are kept but not shown. */
export interface Telemetry {
  transition(transition: Transition): void;
  notice(notice: Notice): void;
  samples(): Promise<Samples[]>;
  /** The counters as they stand, to be given to `restore` of a later process. */
  snapshot(): Promise<CounterValue[]>;
  /** Adds to the counters; names and labels that are not ours any more are left out. */
  restore(values: readonly CounterValue[]): void;
}

/** Counters of this many vanished models are kept for their return; older ones are forgotten. */
const RETIRED_KEPT = 2000;

/** `isPresent` tells whether a router, or a model of it, is believed to be there now. */
export function createTelemetry(isPresent: (router: string, model?: string) => boolean): Telemetry {
  const counting = createCountingRoom(
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
  const all = [...Object.values(ofModels), ...Object.values(ofRouters)];
  const retired = new Map<string, { router: string; model: string }>();

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
        for (const family of all) family.refresh();
      }
    },
    notice(notice) {
      const { router } = notice;
      switch (notice.kind) {
        case 'event':
          return ofRouters.events.add({ router, event: notice.event });
        case 'reconnecting':
          return ofRouters.streamReconnects.add({ router });
        case 'polled':
          ofRouters.pollDuration.add({ router }, notice.seconds);
          if (notice.fault) ofRouters.pollErrors.add({ router, fault: notice.fault });
      }
    },
    samples: () => Promise.all(all.map((family) => family.samples())),
    snapshot: () => snapshotOf(all),
    restore(values) {
      restoreTo(all, values, ({ router, model }) => {
        // Until it appears: else the models of long ago would be saved and restored for ever.
        if (router !== undefined && model !== undefined && !isPresent(router, model)) {
          retired.set(JSON.stringify([router, model]), { router, model });
        }
      });
    },
  };

  function count(router: string, model: string, change: Change): void {
    const labels = { router, model };
    switch (change.kind) {
      case 'appeared':
        retired.delete(JSON.stringify([router, model]));
        return startModel(router, model);
      case 'vanished':
        return retire(router, model);
      case 'loaded':
        ofModels.loads.add(labels);
        if (change.durationSeconds !== undefined) ofModels.loadDuration.add(labels, change.durationSeconds);
        if (change.reload) {
          ofModels.reloads.add({ ...labels, unload_reason: change.reload.reason });
          ofRouters.reloadAfterUnload.add({ router }, change.reload.afterSeconds);
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
      ofModels.reloads.add({ ...labels, unload_reason: reason }, 0);
    }
    ofModels.loadDuration.refresh();
  }

  function startRouter(router: string): void {
    ofRouters.streamReconnects.add({ router }, 0);
    for (const fault of FAULT_KINDS) ofRouters.pollErrors.add({ router, fault }, 0);
  }

  function retire(router: string, model: string): void {
    for (const family of Object.values(ofModels)) family.refresh();
    retired.set(JSON.stringify([router, model]), { router, model });
    const [oldest] = retired;
    if (retired.size <= RETIRED_KEPT || oldest === undefined) return;
    retired.delete(oldest[0]);
    const labels = oldest[1];
    for (const family of [
      ofModels.loads,
      ofModels.loadFailures,
      ofModels.sleeps,
      ofModels.wakes,
      ofModels.loadDuration,
    ]) {
      family.forget(labels);
    }
    for (const reason of UNLOAD_REASONS) {
      ofModels.unloads.forget({ ...labels, reason });
      ofModels.reloads.forget({ ...labels, unload_reason: reason });
    }
  }
}
