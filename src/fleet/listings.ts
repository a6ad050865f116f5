import { createBackoff } from '../lib/backoff.ts';
import { within } from '../lib/clock.ts';
import { applyListing, confirms, markDown } from '../models/observations.ts';
import { pollingPause } from './polling.ts';
import type { Tracking } from './tracking.ts';

/**
 * A listing waits this long for an event stream that is being opened: the first one, so that no event is missed between the
 * two, and later ones, so that no event counts a second time what the listing shows already.
 */
const STREAM_FIRST_MS = 1000;

/** The least time between two listings, however often the router announces a new list. */
const RELIST_MS = 500;

/** A listing may overtake an event that is older. If it changes anything, it is applied this much later: the event comes first. */
const SETTLE_MS = 50;

/** Lists the models of a router again and again, to reconcile. */
export async function keepListing(tracking: Tracking): Promise<void> {
  const { router, store, pace, random, ending, nextStream, relisting, nextListing } = tracking;
  const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
  await within(STREAM_FIRST_MS, tracking.opening, store.clock);
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
export function pauseOf({ router, pace, store, refreshedAt, random = Math.random }: Tracking): number {
  if (router.stream === 'connected') return pace.listingMs * (1 + random() / 10);
  return pollingPause({ models: router.models.values(), refreshedAt }, store.clock.now(), pace.pollingMs);
}

/** Lists the models. The listing under way may have been answered already, so callers wait for the next one. */
export function list(tracking: Tracking): Promise<void> {
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
  const { feed, store, router, newer, notice, nextStream, ending } = tracking;
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
  if (!confirms(router, listing.value, newer)) await eventsFirst(tracking);
  if (signal.aborted) return;
  // Another kind of server may have another event stream.
  if (router.traits !== feed.traits) nextStream.ring();
  router.traits = feed.traits;
  const { corrected } = applyListing(store, router, listing.value, newer);
  if (connected === tracking.stream) keepOnly(tracking.stale, newer);
  // The stream was connected since before the last listing, so it should have announced what this one corrected. One that is
  // still being opened may announce it yet.
  if (corrected > 0 && (tracking.opening || tracking.stream === tracking.connectedBefore))
    tracking.stream.abort();
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

/** Resolves when the events have arrived that are older than a listing that has just been answered. */
async function eventsFirst(tracking: Tracking): Promise<void> {
  const { router, store, settling, ending, settleMs = SETTLE_MS } = tracking;
  // The first listing has waited before its request.
  if (router.up !== undefined) await within(STREAM_FIRST_MS, tracking.opening, store.clock);
  if (router.stream !== 'connected' || ending.signal.aborted) return;
  // In two parts: after a delay, Node.js runs the due timers before it reads the sockets.
  await settling.sleep(settleMs / 2);
  if (!ending.signal.aborted) await settling.sleep(settleMs / 2);
}
