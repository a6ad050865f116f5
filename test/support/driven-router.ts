import type { Listing, RouterEvent, RouterFault, RouterProps } from '../../src/models/feed.ts';
import {
  applyEvent,
  applyListing,
  markDown,
  markUnloadPending,
  setActivity,
  setStream,
} from '../../src/models/observations.ts';
import type { Activity, RouterState, StreamState } from '../../src/models/router-state.ts';
import type { Store } from '../../src/models/store.ts';

/** A router of a store that a test reports on, as its tracker and reader would. */
export type DrivenRouter = ReturnType<typeof drive>;

function drive(store: Store, state: RouterState) {
  return {
    state,
    listed: (listing: Listing, newer?: ReadonlySet<string>) => applyListing(store, state, listing, newer),
    event: (event: RouterEvent) => applyEvent(store, state, event),
    failed: (fault: RouterFault) => markDown(store, state, fault),
    props: (props: RouterProps) => Object.assign(state, { props }),
    stream: (stream: StreamState) => setStream(store, state, stream),
    activity: (model: string, activity: Activity | undefined) => setActivity(store, state, model, activity),
    markUnloadPending: (model: string) => markUnloadPending(store, state, model),
  };
}

/** A router that the store has; adds it otherwise. */
export function driven(store: Store, name: string): DrivenRouter {
  const state = store.router(name);
  return state ? drive(store, state) : addRouter(store, name);
}

/** Adds a router to a store. */
export function addRouter(store: Store, name: string, url = `http://${name}`): DrivenRouter {
  return drive(store, store.add(name, url));
}
