import { createAlarm } from '../lib/alarm.ts';
import type { RouterFeed } from '../models/feed.ts';
import { applyListing, markDown } from '../models/observations.ts';
import type { Notice, RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';

/** Full listings of one router, one at a time, applied to its state. */
export interface Lister {
  /** Resolves when the first listing is applied, has failed, or is cancelled. */
  first: Promise<void>;
  /** Lists the models; `corrected` as in applyListing. */
  list(): Promise<{ corrected: number }>;
}

/** A listing may overtake an event that is older. It is applied this much later, so that the event comes first. */
const SETTLE_MS = 50;

/** `newer` collects the models with an event since the current listing was requested: the listing may be older. */
export function createLister(
  feed: RouterFeed,
  store: Store,
  router: RouterState,
  newer: Set<string>,
  notice: (notice: Notice) => void,
  signal: AbortSignal,
): Lister {
  const { clock } = store;
  let running: Promise<{ corrected: number }> | undefined;
  let queued: Promise<{ corrected: number }> | undefined;
  const settling = createAlarm(clock);
  let firstDone = () => {};
  const first = new Promise<void>((resolve) => {
    firstDone = resolve;
  });
  signal.addEventListener('abort', () => {
    settling.ring();
    firstDone();
  });

  return {
    first,
    list() {
      // The listing under way may have been answered already, so callers wait for the next one.
      if (running) queued ??= running.then(start);
      return queued ?? start();
    },
  };

  function start(): Promise<{ corrected: number }> {
    queued = undefined;
    running = listOnce().finally(() => {
      running = undefined;
      firstDone();
    });
    return running;
  }

  async function listOnce(): Promise<{ corrected: number }> {
    newer.clear();
    const startedAt = clock.now();
    const listingAnswer = feed.list(signal);
    const propsAnswer = feed.props(signal);
    const listing = await listingAnswer;
    if (signal.aborted) return { corrected: 0 };
    const at = clock.now();
    const fault = listing.ok ? undefined : listing.fault.kind;
    notice({ router: router.name, at, kind: 'polled', seconds: (at - startedAt) / 1000, fault });
    if (!listing.ok) {
      markDown(store, router, listing.fault);
      return { corrected: 0 };
    }
    if (router.stream === 'connected') await settle();
    if (signal.aborted) return { corrected: 0 };
    const result = applyListing(store, router, listing.value, newer);
    // Last, because a router may be slow to answer: the models do not wait for it.
    const props = await propsAnswer;
    if (props.ok && !signal.aborted) router.props = props.value;
    return result;
  }

  /** In two parts: after a delay, Node.js runs the due timers before it reads the sockets. */
  async function settle(): Promise<void> {
    await settling.sleep(SETTLE_MS / 2);
    if (!signal.aborted) await settling.sleep(SETTLE_MS / 2);
  }
}
