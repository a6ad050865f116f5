import { createBackoff } from '../lib/backoff.ts';
import { processAfterGap } from '../models/after-gap.ts';
import type { RouterEvent } from '../models/feed.ts';
import { applyEvent, setStream } from '../models/observations.ts';
import type { Tracking } from './tracking.ts';

/** A router without event stream is tried again this often: it may have been replaced by a newer build. */
const STREAM_RETRY_MS = 5 * 60_000;

/** The back-off starts again only after a stream that was connected for this long. */
const STREAM_STABLE_MS = 10_000;

/** Opens the event stream of a router again and again, and applies its events. */
export async function keepFollowing(tracking: Tracking): Promise<void> {
  const { feed, store, router, pace, notice, random, ending, nextListing, nextStream } = tracking;
  const { clock } = store;
  const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
  setStream(store, router, 'connecting'); // An earlier tracker may have left it connected.
  while (!ending.signal.aborted) {
    tracking.stream = new AbortController();
    let openedAt: number | undefined;
    const tried = attempt(tracking);
    const opened = () => {
      openedAt = clock.now();
      tracking.stale = new Set(router.models.keys());
      setStream(store, router, 'connected');
      tried();
      if (tracking.hasListed) nextListing.ring();
    };
    const end = await feed.follow(tracking.stream.signal, opened, (event) => handleEvent(tracking, event));
    tried();
    if (ending.signal.aborted) return;
    setStream(store, router, end.kind === 'unsupported' ? 'unsupported' : 'connecting');
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

/** Begins to open a stream; call the returned function when it is open or has failed. */
function attempt(tracking: Tracking): () => void {
  let resolve = () => {};
  tracking.opening = new Promise((done) => {
    resolve = done;
  });
  return () => {
    tracking.opening = undefined;
    resolve();
  };
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
