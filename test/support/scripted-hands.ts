import { ok } from '../../src/lib/result.ts';
import type { RouterEvent } from '../../src/models/feed.ts';
import type { RouterDesk } from '../../src/models/router-desk.ts';
import type { Store } from '../../src/models/store.ts';
import type { Hands } from '../../src/unload/run.ts';
import { aListing, ended, listed } from './a-model.ts';
import type { SteppedClock } from './stepped-clock.ts';

export interface ScriptedHands extends Hands {
  /** The models whose unload was asked for, in order. */
  asked: string[];
  /** How many listings were asked for. */
  refreshes: number;
  /** The router tells of these after so many milliseconds. */
  later(ms: number, ...events: RouterEvent[]): void;
}

/** Hands on a router with these models loaded, which unloads each within 50 ms; a test scripts it otherwise. */
export function createScriptedHands(
  clock: SteppedClock,
  store: Store,
  name: string,
  ...loaded: string[]
): ScriptedHands {
  const desk: RouterDesk = store.add(name, `http://${name}`);
  desk.listed(aListing(...loaded.map((id) => listed(id, 'loaded', { instance: 1 }))));
  const hands: ScriptedHands = {
    desk,
    asked: [],
    refreshes: 0,
    later(ms, ...events) {
      clock.after(ms, () => {
        for (const event of events) desk.event(event);
      });
    },
    async unload(model) {
      hands.asked.push(model);
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
