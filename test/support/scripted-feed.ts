import { classifyBuild } from '../../src/backends/llama-server/build.ts';
import type { RouterFeed } from '../../src/fleet/tracking.ts';
import { failed, ok } from '../../src/lib/result.ts';
import type {
  Listing,
  RouterAnswer,
  RouterEvent,
  RouterFault,
  RouterProps,
  StreamEnd,
} from '../../src/models/feed.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import type { SteppedClock } from './stepped-clock.ts';

export const UNREACHABLE: RouterFault = { kind: 'unreachable', message: 'http://router refuses connections' };
export const TIMEOUT: RouterFault = { kind: 'timeout', message: 'http://router did not answer within 5 s' };

/** The client of a router with answers from a test, and the times of its requests. */
export interface ScriptedFeed extends RouterFeed {
  listing: RouterAnswer<Listing>;
  props: RouterFeed['props'];
  routerProps: RouterAnswer<RouterProps>;
  /** Duration of a listing in milliseconds; its answer is read at its end. */
  listingMs: number;
  /** The result of connecting to the stream; `silent` does not answer until `openStream`. */
  stream: 'opens' | 'unsupported' | 'silent' | RouterFault;
  /** Times of listings and connection attempts in milliseconds since the start. */
  listings: number[];
  attempts: number[];
  /** Open streams and running listings. */
  underway(): { streams: number; listings: number };
  openStream(): void;
  say(...events: RouterEvent[]): void;
  endStream(end?: StreamEnd): void;
}

export function createScriptedFeed(clock: SteppedClock): ScriptedFeed {
  const startedAt = clock.now();
  let open: { opened(): void; say(event: RouterEvent): void; end(end: StreamEnd): void } | undefined;
  let streams = 0;
  let listings = 0;
  const feed: ScriptedFeed = {
    listing: ok({ models: [], malformed: [] }),
    routerProps: ok({}),
    listingMs: 0,
    stream: 'opens',
    listings: [],
    attempts: [],
    underway: () => ({ streams, listings }),
    openStream: () => open?.opened(),
    say(...events) {
      for (const event of events) open?.say(event);
    },
    endStream: (end = { kind: 'ended' }) => open?.end(end),
    traits: ROUTER_TRAITS,
    classify: classifyBuild,
    props: async () => feed.routerProps,
    async list(signal) {
      feed.listings.push(clock.now() - startedAt);
      listings += 1;
      const done = await takes(clock, feed.listingMs, signal);
      listings -= 1;
      return done ? feed.listing : failed(TIMEOUT);
    },
    async follow(signal, opened, event) {
      feed.attempts.push(clock.now() - startedAt);
      if (feed.stream === 'unsupported') return { kind: 'unsupported' };
      if (typeof feed.stream === 'object') return { kind: 'fault', fault: feed.stream };
      streams += 1;
      const end = await new Promise<StreamEnd>((resolve) => {
        open = { opened, say: event, end: resolve };
        signal.addEventListener('abort', () => resolve({ kind: 'ended' }));
        if (signal.aborted) resolve({ kind: 'ended' });
        if (feed.stream === 'opens') opened();
      });
      streams -= 1;
      return end;
    },
  };
  return feed;
}

/** Resolves to false when it was aborted. */
function takes(clock: SteppedClock, ms: number, signal: AbortSignal): Promise<boolean> {
  if (ms === 0 || signal.aborted) return Promise.resolve(!signal.aborted);
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(true));
    signal.addEventListener('abort', () => {
      cancel();
      resolve(false);
    });
  });
}
