import type { Backend } from '../backends/backend.ts';
import { type Alarm, createAlarm } from '../lib/alarm.ts';
import { createBackoff } from '../lib/backoff.ts';
import { processAfterGap } from '../models/after-gap.ts';
import type { RouterEvent } from '../models/feed.ts';
import { applyEvent, applyListing, confirms, markDown, setStream } from '../models/observations.ts';
import type { Notice, RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { pollingPause } from './polling.ts';

/** How closely a router is followed. Times in milliseconds. */
interface TrackerPace {
  /** Between listings while the event stream is connected: they only reconcile. Up to a tenth longer, see `pauseOf`. */
  listingMs: number;
  /** Between listings of a router without event stream, while nothing happens on it. */
  pollingMs: number;
  /** Shortest and longest wait before a failed router or stream is tried again. */
  reconnectMinMs: number;
  reconnectMaxMs: number;
}

/** What a backend reports about one router. */
export type RouterFeed = Pick<Backend, 'traits' | 'list' | 'props' | 'classify' | 'follow'>;

interface TrackerParts {
  feed: RouterFeed;
  store: Store;
  router: RouterState;
  pace: TrackerPace;
  /** Default: `SETTLE_MS`. 0 for a single listing: its events are not counted. */
  settleMs?: number | undefined;
  notice(notice: Notice): void;
  random?: () => number;
}

export type Tracker = ReturnType<typeof startTracker>;

/** The first listing waits this long for the event stream, so that no event is missed between the two. */
const STREAM_FIRST_MS = 1000;

/** A router without event stream is tried again this often: it may have been replaced by a newer build. */
const STREAM_RETRY_MS = 5 * 60_000;

/** The back-off starts again only after a stream that was connected for this long. */
const STREAM_STABLE_MS = 10_000;

/** The least time between two listings, however often the router announces a new list. */
const RELIST_MS = 500;

/** A listing may overtake an event that is older. If it changes anything, it is applied this much later: the event comes first. */
const SETTLE_MS = 50;

interface Tracking extends TrackerParts {
  /** Models with an event since the current listing was requested: the listing may be older. */
  newer: Set<string>;
  /** Models that were observed last before the stream was connected: something may have happened to them unseen. */
  stale: Set<string>;
  /** The listing under way, and the next listing once it is requested. */
  listing?: Promise<void> | undefined;
  queued?: Promise<void> | undefined;
  firstListed(): void;
  settling: Alarm;
  /** Aborts when tracking ends. */
  ending: AbortController;
  /** Aborts to drop the current stream. */
  stream: AbortController;
  /** The stream that was connected when the last listing was requested. */
  connectedBefore?: AbortController | undefined;
  /** The first attempt at the stream has ended, one way or the other. */
  streamTried: Alarm;
  nextStream: Alarm;
  relisting: Alarm;
  nextListing: Alarm;
  hasListed: boolean;
  /** The next listing asks for the router's properties too: an extra one of an operation does not. */
  propsDue: boolean;
  /** When a caller last requested a listing. */
  refreshedAt?: number | undefined;
  /** The current pause between two listings. */
  pauseMs: number;
}

/**
 * Follows one router: events as they arrive, and full listings to reconcile. Trackers are independent, so a slow or
 * dead router delays no other.
 */
export function startTracker(parts: TrackerParts) {
  const { router, store } = parts;
  let firstListed = () => {};
  const ready = new Promise<void>((resolve) => {
    firstListed = resolve;
  });
  const alarm = () => createAlarm(store.clock);
  const tracking: Tracking = {
    ...parts,
    newer: new Set(),
    stale: new Set(),
    firstListed,
    settling: alarm(),
    ending: new AbortController(),
    stream: new AbortController(),
    streamTried: alarm(),
    nextStream: alarm(),
    relisting: alarm(),
    nextListing: alarm(),
    hasListed: false,
    propsDue: true,
    pauseMs: 0,
  };
  const { ending, streamTried, nextStream, relisting, nextListing, settling } = tracking;
  router.pollingMs = parts.pace.pollingMs;
  const loops = [keepFollowing(tracking), keepListing(tracking)];
  return {
    /** Resolves when the first listing is applied, has failed, or is cancelled. */
    ready,
    /** Lists the models now; resolves when the answer is applied, or has failed. */
    async refresh(): Promise<void> {
      const wasUp = router.up;
      tracking.refreshedAt = store.clock.now();
      await list(tracking);
      // Otherwise the router would stay down, or be polled slowly, until the next regular listing.
      if (router.up ? pauseOf(tracking) < tracking.pauseMs : wasUp) nextListing.ring();
    },
    async stop(): Promise<void> {
      ending.abort();
      tracking.stream.abort();
      for (const each of [relisting, nextListing, nextStream, streamTried, settling]) each.ring();
      firstListed();
      await Promise.all(loops);
    },
  };
}

async function keepFollowing(tracking: Tracking): Promise<void> {
  const { feed, store, router, pace, notice, random, ending, nextListing, nextStream, streamTried } =
    tracking;
  const { clock } = store;
  const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
  setStream(store, router, 'connecting'); // An earlier tracker may have left it connected.
  while (!ending.signal.aborted) {
    tracking.stream = new AbortController();
    let openedAt: number | undefined;
    const opened = () => {
      openedAt = clock.now();
      tracking.stale = new Set(router.models.keys());
      setStream(store, router, 'connected');
      streamTried.ring();
      if (tracking.hasListed) nextListing.ring();
    };
    const end = await feed.follow(tracking.stream.signal, opened, (event) => handleEvent(tracking, event));
    if (ending.signal.aborted) return;
    setStream(store, router, end.kind === 'unsupported' ? 'unsupported' : 'connecting');
    streamTried.ring();
    if (end.kind === 'unsupported') {
      await nextStream.sleep(STREAM_RETRY_MS);
      continue;
    }
    if (openedAt !== undefined) {
      nextListing.ring(); // Shows whether the router itself is down.
      if (clock.now() - openedAt >= STREAM_STABLE_MS) backoff.reset();
    }
    await nextStream.sleep(backoff.next());
    if (ending.signal.aborted) return;
    notice({ router: router.name, at: clock.now(), kind: 'reconnecting' });
  }
}

function handleEvent(tracking: Tracking, event: RouterEvent): void {
  const { store, router, notice, newer, stale, nextListing } = tracking;
  notice({ router: router.name, at: store.clock.now(), kind: 'event', event: event.name });
  if (event.kind === 'list_changed') return nextListing.ring();
  if (event.kind !== 'status') return applyEvent(store, router, event);
  const { model, begins, status } = event;
  const before = stale.has(model) ? router.models.get(model) : undefined;
  const process = before && processAfterGap(before.lifecycle, event);
  if (process === 'unknown') return;
  newer.add(model);
  if (begins || status === 'unloaded' || process === 'other') stale.delete(model);
  applyEvent(store, router, event, process);
}

async function keepListing(tracking: Tracking): Promise<void> {
  const { router, pace, random, ending, streamTried, nextStream, relisting, nextListing } = tracking;
  const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
  await streamTried.sleep(STREAM_FIRST_MS);
  tracking.hasListed = true;
  while (!ending.signal.aborted) {
    const wasUp = router.up;
    tracking.propsDue = true;
    await list(tracking);
    if (ending.signal.aborted) return;
    if (router.up) backoff.reset();
    // The router is back, perhaps as another build: try its stream now.
    if (router.up && wasUp === false) nextStream.ring();
    if (router.stream === 'connected' && !router.up) tracking.stream.abort();
    tracking.pauseMs = router.up ? pauseOf(tracking) : backoff.next();
    const leastMs = Math.min(tracking.pauseMs, RELIST_MS);
    await relisting.sleep(leastMs);
    if (!ending.signal.aborted) await nextListing.sleep(tracking.pauseMs - leastMs);
  }
}

/** A listing has shown all models but those with newer events. */
function keepOnly(stale: Set<string>, newer: ReadonlySet<string>): void {
  for (const model of stale) if (!newer.has(model)) stale.delete(model);
}

/**
 * The pause between two listings of a router that answers. Hundreds of routers that were found at the same moment drift
 * apart: their listings would keep the exporter busy for seconds.
 */
function pauseOf({ router, pace, store, refreshedAt, random = Math.random }: Tracking): number {
  if (router.stream === 'connected') return pace.listingMs * (1 + random() / 10);
  return pollingPause({ models: router.models.values(), refreshedAt }, store.clock.now(), pace.pollingMs);
}

/** Lists the models. The listing under way may have been answered already, so callers wait for the next one. */
function list(tracking: Tracking): Promise<void> {
  tracking.queued ??= tracking.listing?.then(() => startListing(tracking));
  return tracking.queued ?? startListing(tracking);
}

function startListing(tracking: Tracking): Promise<void> {
  tracking.queued = undefined;
  tracking.listing = listOnce(tracking).finally(() => {
    tracking.listing = undefined;
    tracking.firstListed();
  });
  return tracking.listing;
}

async function listOnce(tracking: Tracking): Promise<void> {
  const { feed, store, router, newer, notice, settling, nextStream, ending, settleMs = SETTLE_MS } = tracking;
  const { clock } = store;
  const { signal } = ending;
  newer.clear();
  const connected = router.stream === 'connected' ? tracking.stream : undefined;
  const startedAt = clock.now();
  const listingAnswer = feed.list(signal);
  const propsAnswer = tracking.propsDue ? feed.props(signal) : undefined;
  tracking.propsDue = false;
  const listing = await listingAnswer;
  if (signal.aborted) return;
  const at = clock.now();
  const fault = listing.ok ? undefined : listing.fault.kind;
  notice({ router: router.name, at, kind: 'polled', seconds: (at - startedAt) / 1000, fault });
  if (!listing.ok) {
    markDown(store, router, listing.fault);
    return;
  }
  if (router.stream === 'connected' && !confirms(router, listing.value, newer)) {
    // In two parts: after a delay, Node.js runs the due timers before it reads the sockets.
    await settling.sleep(settleMs / 2);
    if (!signal.aborted) await settling.sleep(settleMs / 2);
  }
  if (signal.aborted) return;
  // Another kind of server may have another event stream.
  if (router.traits !== feed.traits) nextStream.ring();
  router.traits = feed.traits;
  const { corrected } = applyListing(store, router, listing.value, newer);
  if (connected === tracking.stream) keepOnly(tracking.stale, newer);
  // The stream was connected since before the last listing, so it should have announced what this one corrected.
  if (corrected > 0 && tracking.stream === tracking.connectedBefore) tracking.stream.abort();
  tracking.connectedBefore = connected;
  // A router may be slow to answer: the models do not wait for its properties, and known ones are not waited for.
  const wereKnown = router.props.build !== undefined;
  const recorded = propsAnswer?.then((props) => {
    if (signal.aborted) return;
    if (props.ok) router.props = props.value;
    router.buildClass = feed.classify(props.ok ? props.value.build : undefined, router.stream);
  });
  if (!wereKnown) await recorded;
}
