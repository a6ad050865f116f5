import { evictionIn, isFull, killsAtOnceIn } from './eviction.ts';
import { isRunning, type Listing, type RouterEvent, type RouterFault } from './feed.ts';
import { advance, cancelUnloadRequest, requestUnload, settleReason, vanish } from './lifecycle.ts';
import type { Activity, Change, ModelState, RouterState, StreamState, UnloadReason } from './router-state.ts';
import type { Store } from './store.ts';
import type { Observation } from './unload-reason.ts';
import { causeOfReload, forgetRequests } from './usage.ts';

/**
 * How long an unload on a full router waits for the load that makes it an eviction. Between the two events the router
 * starts a process, which took at most 17 ms in 200 evictions on b11669 with both cores loaded.
 */
const EVICTION_WINDOW_MS = 250;

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
    const { aliases, facts, sleepIdleSeconds, ttlSeconds, process } = listed;
    const description = { aliases, facts, sleepIdleSeconds, ttlSeconds, process };
    if (before && newer.has(listed.id)) {
      replace(store, router, { ...before, ...description, facts: { ...before.facts, ...facts } });
      continue;
    }
    const { status, failed, exitCode, instance, hasLoaded } = listed;
    const seen = { status, failed, exitCode, instance, hasLoaded };
    const observation = { via: 'listing', ...seen, eviction, killsAtOnce } as const;
    const changes = observe(store, router, listed.id, observation, description);
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

/** Applies an event of the stream. */
export function applyEvent(store: Store, router: RouterState, event: RouterEvent): void {
  if (event.kind === 'download') {
    const { doneBytes, totalBytes } = event;
    const model = router.models.get(event.model);
    if (model) replace(store, router, { ...model, download: { doneBytes, totalBytes } });
  }
  if (event.kind === 'work') recordWork(store, router, event.model, event.inFlight, true);
  if (event.kind !== 'status') return;
  const { model, status, begins, exitCode, ending, progress, facts } = event;
  if (begins) settleReasons(store, router, model);
  const mayEvict = router.traits.evictsBy === 'rules' || isFull(router);
  const before = router.models.get(model);
  const otherwise = before && reasonOfCleanEnd(before, store.clock.now());
  const observation = {
    via: 'event',
    status,
    begins,
    exitCode,
    ending,
    progress,
    mayEvict,
    otherwise,
  } as const;
  observe(store, router, model, observation, { facts: facts ?? {} });
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

/** The clocks of both ends, and the delay of events. */
const TTL_SLACK_MS = 500;

/**
 * Why a model has ended, if nothing was evicted: only one that was seen idle for its whole time to live has expired. Where it
 * is unknown since when it was idle, the reason is too.
 */
function reasonOfCleanEnd({ lifecycle, activity, ttlSeconds = 0 }: ModelState, at: number): UnloadReason {
  if (ttlSeconds === 0 || activity?.busy) return 'external';
  if (activity?.lastAt === undefined) return 'unknown';
  const orderedAt = lifecycle.status === 'unloading' ? (lifecycle.since ?? at) : at;
  return orderedAt - activity.lastAt >= ttlSeconds * 1000 - TTL_SLACK_MS ? 'expired' : 'external';
}

/** Records the requests of a model as the server reports them. The first number alone dates no activity. */
function recordWork(
  store: Store,
  router: RouterState,
  id: string,
  inFlight: number | undefined,
  isChange = false,
): void {
  const at = store.clock.now();
  const before = router.models.get(id)?.activity;
  const busy = inFlight !== undefined && inFlight > 0;
  const isActive = isChange || busy || before?.busy;
  const { watchedAt = at, lastAt } = before ?? {};
  const reported = { busy, watchedAt, lastAt: isActive ? at : lastAt, work: 0 };
  replaceActivity(store, router, id, inFlight === undefined ? undefined : reported);
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

/** Stores a model without what does not apply any more: a finished download, the activity of an ended process. */
function replace(store: Store, router: RouterState, model: ModelState): void {
  const { id, lifecycle, download, activity } = model;
  const pending = lifecycle.pendingReason;
  if (pending && pending !== router.models.get(id)?.lifecycle.pendingReason) {
    store.clock.after(EVICTION_WINDOW_MS, () => {
      const isPending = router.models.get(id)?.lifecycle.pendingReason === pending;
      if (isPending && store.router(router.name) === router) settle(store, router, id, false);
    });
  }
  const isAsleep = lifecycle.status === 'sleeping';
  const current = isRunning(lifecycle.known) ? activity : undefined;
  router.models.set(id, {
    ...model,
    download: lifecycle.status === 'downloading' ? download : undefined,
    activity: current && isAsleep ? { ...current, busy: false } : current,
  });
}

function remove(store: Store, router: RouterState, model: ModelState, at: number): void {
  const { lifecycle, changes } = vanish(model.lifecycle, at);
  router.models.delete(model.id);
  store.keepLastUnload(router.name, model.id, lifecycle.lastUnload);
  publish(store, router, model.id, at, changes);
}

function publish(store: Store, router: RouterState, model: string, at: number, changes: Change[]): void {
  for (const change of changes) {
    const transition = { router: router.name, at, kind: 'model', model, change } as const;
    const { durationSeconds, reload } = change.kind === 'loaded' ? change : {};
    const cause = reload && causeOfReload(store.requests, transition, reload.afterSeconds, durationSeconds);
    store.publish({ ...transition, cause });
    if (change.kind === 'loaded') forgetRequests(store.requests, transition);
  }
}

/**
 * A model starts: on a full router, the oldest pending unload made room for it; a server with rules may have unloaded
 * several for it.
 */
function settleReasons(store: Store, router: RouterState, starting: string): void {
  // A model that comes back itself was not evicted.
  if (router.models.get(starting)?.lifecycle.pendingReason) return;
  const pending = [...router.models.values()]
    .flatMap(({ id, lifecycle: { pendingReason } }) => (pendingReason ? [{ id, at: pendingReason.at }] : []))
    .sort((a, b) => a.at - b.at);
  const evicted = router.traits.evictsBy === 'rules' ? pending : pending.slice(0, 1);
  for (const { id } of evicted) settle(store, router, id, true);
}

function settle(store: Store, router: RouterState, id: string, evicted: boolean): void {
  const model = router.models.get(id);
  const pending = model?.lifecycle.pendingReason;
  if (model === undefined || pending === undefined) return;
  const { lifecycle, changes } = settleReason(model.lifecycle, evicted);
  replace(store, router, { ...model, lifecycle });
  publish(store, router, id, pending.at, changes);
}

/** Whether the event stream announces such a change: it reports neither new nor removed models, nor downloads. */
function isAnnounced(change: Change): boolean {
  switch (change.kind) {
    case 'appeared':
    case 'vanished':
      return false;
    case 'status':
      return isRunning(change.from) || isRunning(change.to);
    default:
      return true;
  }
}
