import type { UnloadAnswer } from '../../src/backends/llama-server/client.ts';
import type { ProbeResult } from '../../src/engine/activity.ts';
import { ok } from '../../src/lib/result.ts';
import type { RouterAnswer, RouterEvent } from '../../src/models/feed.ts';
import type { Store } from '../../src/models/store.ts';
import type { UnloadControl } from '../../src/unload/unload-control.ts';
import { aListing, ended, listed } from './a-model.ts';
import { addRouter, type DrivenRouter } from './driven-router.ts';
import type { SteppedClock } from './stepped-clock.ts';

export interface ScriptedControl extends UnloadControl {
  /** The models whose unload was ordered, in order. */
  ordered: string[];
  /** Reports of the router, as its tracker would apply them. */
  entry: DrivenRouter;
  /** The models that were probed, in order. */
  asked: string[];
  /** How many listings were asked for. */
  refreshes: number;
  /** What a model is doing; idle when nothing is said. */
  doing: Map<string, ProbeResult>;
  /** What the router does with an order. */
  order(model: string): Promise<RouterAnswer<UnloadAnswer>>;
  /** The router tells of these after so many milliseconds. */
  later(ms: number, ...events: RouterEvent[]): void;
}

/** UnloadControl on a router with these models loaded, which unloads each within 50 ms; a test scripts it otherwise. */
export function createScriptedHands(
  clock: SteppedClock,
  store: Store,
  name: string,
  ...loaded: string[]
): ScriptedControl {
  const entry: DrivenRouter = addRouter(store, name, `http://${name}`);
  entry.listed(aListing(...loaded.map((id) => listed(id, 'loaded', { instance: 1 }))));
  const hands: ScriptedControl = {
    entry,
    state: entry.state,
    ordered: [],
    asked: [],
    refreshes: 0,
    doing: new Map(),
    later(ms, ...events) {
      clock.after(ms, () => {
        for (const event of events) entry.event(event);
      });
    },
    async probe(model) {
      hands.asked.push(model);
      return hands.doing.get(model) ?? { kind: 'idle' };
    },
    exclusive: (work) => work(),
    markUnloadPending: entry.markUnloadPending,
    async unload(model) {
      hands.ordered.push(model);
      return hands.order(model);
    },
    async order(model) {
      hands.later(50, ended(model));
      return ok('accepted');
    },
    async refresh() {
      hands.refreshes += 1;
    },
    onTransition: store.onTransition,
  };
  return hands;
}
