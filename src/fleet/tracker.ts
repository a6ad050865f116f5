import { createAlarm } from '../lib/alarm.ts';
import { createBackoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { RouterEvent, RouterFeed } from '../models/feed.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import type { Notice } from '../models/router-state.ts';
import { createLister } from './lister.ts';

/** How closely a router is followed. Times in milliseconds. */
export interface TrackerPace {
  /** Between full listings while events arrive: a reconciliation, not the source of news. */
  listingMs: number;
  /** Between full listings where there is no event stream. */
  pollingMs: number;
  /** The shortest and longest wait before another attempt at a router, or a stream, that failed. */
  reconnectMinMs: number;
  reconnectMaxMs: number;
}

export interface Tracker {
  /** Resolves when the first listing has been applied, has failed, or will not come any more. */
  ready: Promise<void>;
  /** Lists the models now; resolves when the answer has been applied, or has failed. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/** The first listing waits this long for the event stream, so that no event falls between the two. */
const STREAM_FIRST_MS = 1000;

/** A router without an event stream may be replaced by one that has it: tried again this often. */
const STREAM_RETRY_MS = 5 * 60_000;

/** A stream that broke sooner than this after it opened did not really stand. */
const STREAM_STANDS_MS = 10_000;

/** Between two listings, however often the router announces a new list. */
const RELIST_MS = 500;

/**
 * Follows one router: its event stream for the news, full listings for the truth. It knows of no other
 * router, so a slow or dead one delays nobody.
 */
export function startTracker(
  feed: RouterFeed,
  entry: RouterEntry,
  pace: TrackerPace,
  clock: Clock,
  notice: (notice: Notice) => void,
  random: () => number = Math.random,
): Tracker {
  const { state } = entry;
  const ending = new AbortController();
  const lister = createLister(feed, entry, clock, notice, ending.signal);
  const relisting = createAlarm(clock);
  const nextListing = createAlarm(clock);
  const nextStream = createAlarm(clock);
  const streamTried = createAlarm(clock);
  let stream = new AbortController();
  let listedOnce = false;
  const loops = [keepFollowing(), keepListing()];

  return {
    ready: lister.first,
    async refresh() {
      const wasUp = state.up;
      await lister.list();
      // It would stay down until the next listing is due; and its stream, which says nothing, would stand.
      if (wasUp && !state.up) nextListing.ring();
    },
    async stop() {
      ending.abort();
      stream.abort();
      for (const alarm of [relisting, nextListing, nextStream, streamTried]) alarm.ring();
      await Promise.all(loops);
    },
  };

  async function keepFollowing(): Promise<void> {
    const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
    entry.stream('connecting'); // A tracker before us may have left it connected.
    while (!ending.signal.aborted) {
      stream = new AbortController();
      let openedAt: number | undefined;
      const end = await feed.follow(
        stream.signal,
        () => {
          openedAt = clock.now();
          entry.stream('connected');
          streamTried.ring();
          if (listedOnce) nextListing.ring();
        },
        heard,
      );
      if (ending.signal.aborted) return;
      entry.stream(end.kind === 'unsupported' ? 'unsupported' : 'connecting');
      streamTried.ring();
      if (end.kind === 'unsupported') {
        await nextStream.sleep(STREAM_RETRY_MS);
        continue;
      }
      if (openedAt !== undefined) {
        nextListing.ring(); // Whether the router itself is gone is the first question.
        if (clock.now() - openedAt >= STREAM_STANDS_MS) backoff.reset();
      }
      await nextStream.sleep(backoff.next());
      if (ending.signal.aborted) return;
      notice({ router: state.name, at: clock.now(), kind: 'reconnecting' });
    }
  }

  function heard(event: RouterEvent): void {
    notice({ router: state.name, at: clock.now(), kind: 'event', event: event.name });
    if (event.kind === 'status') lister.heardOf(event.model);
    if (event.kind === 'list_changed') nextListing.ring();
    else entry.event(event);
  }

  async function keepListing(): Promise<void> {
    const backoff = createBackoff(pace.reconnectMinMs, pace.reconnectMaxMs, random);
    await streamTried.sleep(STREAM_FIRST_MS);
    listedOnce = true;
    let stoodBefore: AbortController | undefined;
    while (!ending.signal.aborted) {
      const wasUp = state.up;
      const standing = state.stream === 'connected' ? stream : undefined;
      const { corrected } = await lister.list();
      if (ending.signal.aborted) return;
      if (state.up) backoff.reset();
      // It is back, perhaps as another build: what the stream waits for is over.
      if (state.up && wasUp === false) nextStream.ring();
      // The same stream stood before the last listing, so it should have told what this one corrected.
      const streamIsDeaf = corrected > 0 && stream === stoodBefore;
      const routerIsGone = state.up === false;
      if (state.stream === 'connected' && (streamIsDeaf || routerIsGone)) stream.abort();
      stoodBefore = standing;
      await pause(state.up ? listingPause() : backoff.next());
    }
  }

  async function pause(ms: number): Promise<void> {
    const atLeast = Math.min(ms, RELIST_MS);
    await relisting.sleep(atLeast);
    if (!ending.signal.aborted) await nextListing.sleep(ms - atLeast);
  }

  function listingPause(): number {
    return state.stream === 'connected' ? pace.listingMs : pace.pollingMs;
  }
}
