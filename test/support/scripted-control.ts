import type { LoadAnswer, UnloadAnswer } from '../../src/backends/backend.ts';
import type { ProbeResult } from '../../src/engine/activity.ts';
import type { RouterControl } from '../../src/fleet/fleet.ts';
import { ok } from '../../src/lib/result.ts';
import type { RouterAnswer, RouterEvent } from '../../src/models/feed.ts';
import type { Store } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, turned } from './a-model.ts';
import { addRouter, type DrivenRouter } from './driven-router.ts';
import type { SteppedClock } from './stepped-clock.ts';

export interface ScriptedControl extends RouterControl {
  /** The models whose unload was ordered, in order. */
  ordered: string[];
  /** Applies reports of the router to the state, as its tracker does. */
  entry: DrivenRouter;
  /** The models that were probed, in order. */
  asked: string[];
  /** The number of listings that were requested. */
  refreshes: number;
  /** The answers to probes by model; idle by default. */
  doing: Map<string, ProbeResult>;
  /** The router's reaction to an unload order. */
  order(model: string): Promise<RouterAnswer<UnloadAnswer>>;
  /** The models whose load was ordered, in order. */
  loads: string[];
  /** The router's reaction to a load order. */
  orderLoad(model: string): Promise<RouterAnswer<LoadAnswer>>;
  /** The router sends these events after `ms`. */
  later(ms: number, ...events: RouterEvent[]): void;
}

/**
 * The control of a router without limit of models and with these loaded, which unloads each within 50 ms and loads within 100 ms,
 * and announces it; its listings change nothing. Tests replace its methods.
 */
export function createScriptedControl(
  clock: SteppedClock,
  store: Store,
  name: string,
  ...loaded: string[]
): ScriptedControl {
  const entry: DrivenRouter = addRouter(store, name, `http://${name}`);
  entry.stream('connected');
  entry.props({ modelsMax: 0 });
  entry.listed(aListing(...loaded.map((id) => listed(id, 'loaded', { instance: 1 }))));
  const control: ScriptedControl = {
    entry,
    state: entry.state,
    ordered: [],
    loads: [],
    asked: [],
    refreshes: 0,
    doing: new Map(),
    later(ms, ...events) {
      clock.after(ms, () => {
        for (const event of events) entry.event(event);
      });
    },
    async probe(model) {
      control.asked.push(model);
      return control.doing.get(model) ?? { kind: 'idle' };
    },
    exclusive: (work) => work(),
    markUnloadPending: entry.markUnloadPending,
    async unload(model) {
      control.ordered.push(model);
      return control.order(model);
    },
    async order(model) {
      control.later(50, ended(model));
      return ok('accepted');
    },
    async load(model) {
      control.loads.push(model);
      return control.orderLoad(model);
    },
    async orderLoad(model) {
      control.later(10, begun(model));
      control.later(100, turned(model, 'loaded'));
      return ok('accepted');
    },
    async refresh() {
      control.refreshes += 1;
    },
    onTransition: store.onTransition,
  };
  return control;
}
