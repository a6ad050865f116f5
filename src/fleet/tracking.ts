import type { Backend } from '../backends/backend.ts';
import type { Alarm } from '../lib/alarm.ts';
import type { Notice, RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';

/** How closely a router is followed. Times in milliseconds. */
export interface TrackerPace {
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

export interface TrackerParts {
  feed: RouterFeed;
  store: Store;
  router: RouterState;
  pace: TrackerPace;
  /** Default: `SETTLE_MS`. 0 for a single listing: its events are not counted. */
  settleMs?: number | undefined;
  notice(notice: Notice): void;
  random?: () => number;
}

/** The state of a tracker, which its two loops share. */
export interface Tracking extends TrackerParts {
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
  /** While the stream is being opened; resolves when it is open or has failed. */
  opening?: Promise<void> | undefined;
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
