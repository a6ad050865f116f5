import type { ProcessAfterGap } from './after-gap.ts';
import { evictionIn, isFull, killsAtOnceIn } from './eviction.ts';
import { isRunning, type Listing, type RouterEvent, type RouterFault } from './feed.ts';
import { advance, cancelUnloadRequest, requestUnload } from './lifecycle.ts';
import { publish, remove, replace, settleReasons } from './recording.ts';
import type { Activity, Change, ModelState, RouterState, StreamState } from './router-state.ts';
import type { Store } from './store.ts';
import { type Observation, reasonOfCleanEnd } from './unload-reason.ts';

/**
 * Applies a full listing. It wins over events, except for the models in `newer`: they had an event after the listing
 * was requested, so the listing may be older. `corrected` is the number of models whose listed state should have been
 * announced by an event and was not.
 */
export function applyListing(
  store: Store,
  router: RouterState,
  listing: Listing,
  newer: ReadonlySet<string> = new Set(),
): { corrected: number } {
  const at = store.clock.now();
  markUp(store, router, listing, at);
  const { traits } = router;
  const eviction = traits.evictsBy === 'places' ? evictionIn(router, listing, newer) : 'possible';
  const killsAtOnce = router.killsAtOnce ?? router.buildClass === 'no_event_stream';
  let corrected = 0;
  for (const listed of listing.models) {
    const before = router.models.get(listed.id);
    if (before && newer.has(listed.id)) {
      const { aliases, sleepIdleSeconds, ttlSeconds, process } = listed;
      const facts = { ...before.facts, ...listed.facts };
      replace(store, router, { ...before, aliases, facts, sleepIdleSeconds, ttlSeconds, process });
      continue;
    }
    const observation = { ...listed, via: 'listing', eviction, killsAtOnce } as const;
    const changes = observe(store, router, listed.id, observation, listed);
    if (traits.activity === 'reported') recordWork(store, router, listed.id, listed.inFlight);
    if (changes.some(isAnnounced)) corrected += 1;
  }
  const listed = new Set(listing.models.map(({ id }) => id));
  for (const model of router.models.values()) {
    if (!listed.has(model.id) && !newer.has(model.id)) remove(store, router, model, at);
  }
  return { corrected };
}

/** Whether a listing shows the models as they were observed, so that applying it changes none; see `applyListing`. */
export function confirms({ models, up }: RouterState, listing: Listing, newer: ReadonlySet<string>): boolean {
  if (!up || listing.models.length !== models.size) return false;
  return listing.models.every(({ id, status, failed, instance }) => {
    const lifecycle = models.get(id)?.lifecycle;
    if (lifecycle === undefined) return false;
    if (newer.has(id)) return true;
    const isSameProcess = lifecycle.instance === undefined || lifecycle.instance === instance;
    return lifecycle.status === status && lifecycle.markedFailed === failed && isSameProcess;
  });
}

/** Applies an event of the stream. `process`: see after-gap.ts; absent where there was no gap. */
export function applyEvent(
  store: Store,
  router: RouterState,
  event: RouterEvent,
  process?: ProcessAfterGap,
): void {
  if (event.kind === 'download') {
    const { doneBytes, totalBytes } = event;
    const model = router.models.get(event.model);
    if (model) replace(store, router, { ...model, download: { doneBytes, totalBytes } });
  }
  if (event.kind === 'work') recordWork(store, router, event.model, event.inFlight, true);
  if (event.kind !== 'status') return;
  const { model, begins, facts = {} } = event;
  if (begins) settleReasons(store, router, model);
  const mayEvict = router.traits.evictsBy === 'rules' || isFull(router);
  const before = router.models.get(model);
  const otherwise = before && reasonOfCleanEnd(before, store.clock.now());
  const observation = { ...event, via: 'event', mayEvict, process, otherwise } as const;
  observe(store, router, model, observation, { facts });
}

/** Marks a router as down: its listing failed. */
export function markDown(store: Store, router: RouterState, fault: RouterFault): void {
  const isKnown = router.up === false && router.fault?.kind === fault.kind;
  router.up = false;
  // It may come back as another build.
  router.buildClass = 'unknown';
  router.killsAtOnce = undefined;
  router.fault = fault;
  if (!isKnown)
    store.publish({ router: router.name, at: store.clock.now(), kind: 'router', change: 'down', fault });
}

export function setStream(store: Store, router: RouterState, stream: StreamState): void {
  if (router.stream === stream) return;
  router.stream = stream;
  if (router.traits.activity === 'reported' && stream !== 'connected')
    for (const id of router.models.keys()) replaceActivity(store, router, id, undefined);
  store.publish({ router: router.name, at: store.clock.now(), kind: 'stream', state: stream });
}

/** Records the requests of a model as the server reports them. The first number, which is no change, dates no activity. */
function recordWork(
  store: Store,
  router: RouterState,
  id: string,
  inFlight: number | undefined,
  isChange = false,
): void {
  if (inFlight === undefined) return replaceActivity(store, router, id, undefined);
  const at = store.clock.now();
  const busy = inFlight > 0;
  const before = router.models.get(id)?.activity;
  const { watchedAt = at, lastAt } = before ?? {};
  const isActive = isChange || busy || before?.busy;
  replaceActivity(store, router, id, { busy, watchedAt, lastAt: isActive ? at : lastAt, work: 0 });
}

/** Replaces the activity of a running model by what its own metrics show; undefined: unknown. */
export function setActivity(
  store: Store,
  router: RouterState,
  id: string,
  activity: Activity | undefined,
): void {
  if (router.traits.activity === 'asked') replaceActivity(store, router, id, activity);
}

function replaceActivity(
  store: Store,
  router: RouterState,
  id: string,
  activity: Activity | undefined,
): void {
  const model = router.models.get(id);
  if (!model || !isRunning(model.lifecycle.known)) return;
  replace(store, router, { ...model, activity });
}

/**
 * Marks an unload request for this model as pending; to be called before it is sent. The returned function cancels it
 * because the router refused.
 */
export function markUnloadPending(store: Store, router: RouterState, id: string): () => void {
  const model = router.models.get(id);
  if (model === undefined) return () => {};
  const { lifecycle } = model;
  replace(store, router, { ...model, lifecycle: requestUnload(lifecycle, store.clock.now()) });
  return () => {
    const current = router.models.get(id);
    if (current === undefined) return;
    const cancelled = cancelUnloadRequest(current.lifecycle, lifecycle.unloadRequestedAt);
    replace(store, router, { ...current, lifecycle: cancelled });
  };
}

function markUp(store: Store, router: RouterState, listing: Listing, at: number): void {
  const { malformed } = listing;
  const wasUp = router.up;
  router.up = true;
  router.listedAt = at;
  delete router.fault;
  router.killsAtOnce = killsAtOnceIn(listing) ?? router.killsAtOnce;
  if (malformed.join() !== router.malformed.join()) {
    router.malformed = malformed;
    store.publish({ router: router.name, at, kind: 'malformed', entries: malformed });
  }
  if (!wasUp) store.publish({ router: router.name, at, kind: 'router', change: 'up' });
}

/** Advances one model by an observation and publishes the changes. */
function observe(
  store: Store,
  router: RouterState,
  id: string,
  observation: Observation,
  description: Partial<Pick<ModelState, 'aliases' | 'facts' | 'sleepIdleSeconds' | 'ttlSeconds' | 'process'>>,
): Change[] {
  const at = store.clock.now();
  const before = router.models.get(id);
  const lastUnload = before ? undefined : store.takeLastUnload(router.name, id);
  const { lifecycle, changes } = advance(before?.lifecycle, observation, at, store.rules, lastUnload);
  const isSameProcess = !changes.some(({ kind }) => kind === 'loaded' || kind === 'unloaded');
  const load = changes.find((change) => change.kind === 'loaded');
  const { sleepIdleSeconds, ttlSeconds, process } =
    observation.via === 'listing' ? description : (before ?? description);
  replace(store, router, {
    id,
    aliases: description.aliases ?? before?.aliases ?? [],
    facts: { ...before?.facts, ...description.facts },
    sleepIdleSeconds,
    ttlSeconds,
    process,
    lifecycle,
    firstSeenAt: before?.firstSeenAt ?? at,
    loadSeconds: load?.durationSeconds ?? before?.loadSeconds,
    download: before?.download,
    activity: isSameProcess ? before?.activity : undefined,
  });
  publish(store, router, id, at, changes);
  return changes;
}

/** Whether the event stream announces such a change: it reports neither new nor removed models, nor downloads. */
function isAnnounced(change: Change): boolean {
  if (change.kind === 'status') return isRunning(change.from) || isRunning(change.to);
  return change.kind !== 'appeared' && change.kind !== 'vanished';
}
