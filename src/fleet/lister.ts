import { createAlarm } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';
import type { RouterFeed } from '../models/feed.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import type { Notice } from '../models/router-state.ts';

/** Full listings of one router, one at a time, applied to its belief. */
export interface Lister {
  /** Resolves when the first listing has been applied, has failed, or will not come any more. */
  first: Promise<void>;
  /** A listing asked for now or later; `corrected` as in RouterEntry.listed. */
  list(): Promise<{ corrected: number }>;
  /** An event told of this model: a listing that is under way may be older. */
  heardOf(model: string): void;
}

/** An event may be on its way that is older than a listing that has arrived: the listing waits this long. */
const SETTLE_MS = 50;

export function createLister(
  feed: RouterFeed,
  entry: RouterEntry,
  clock: Clock,
  notice: (notice: Notice) => void,
  signal: AbortSignal,
): Lister {
  const router = entry.state.name;
  let newer = new Set<string>();
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
      // One that is under way may have been answered already: who asks now gets the next one.
      if (running) queued ??= running.then(start);
      return queued ?? start();
    },
    heardOf: (model) => newer.add(model),
  };

  function start(): Promise<{ corrected: number }> {
    queued = undefined;
    running = once().finally(() => {
      running = undefined;
      firstDone();
    });
    return running;
  }

  async function once(): Promise<{ corrected: number }> {
    newer = new Set();
    const startedAt = clock.now();
    const asked = feed.list(signal);
    const propsAsked = feed.props(signal);
    const answer = await asked;
    const at = clock.now();
    if (signal.aborted) return { corrected: 0 };
    notice({
      router,
      at,
      kind: 'polled',
      seconds: Math.max(0, at - startedAt) / 1000,
      ...(!answer.ok && { fault: answer.fault.kind }),
    });
    if (!answer.ok) {
      entry.failed(answer.fault);
      return { corrected: 0 };
    }
    if (entry.state.stream === 'connected') await settle();
    if (signal.aborted) return { corrected: 0 };
    const result = entry.listed(answer.value, newer);
    // Last, because a router may be slow to tell them: the models do not wait for it.
    const props = await propsAsked;
    if (props.ok && !signal.aborted) entry.props(props.value);
    return result;
  }

  /** In two parts: a process that was held up runs what is due first and reads its sockets only then. */
  async function settle(): Promise<void> {
    await settling.sleep(SETTLE_MS / 2);
    if (!signal.aborted) await settling.sleep(SETTLE_MS / 2);
  }
}
