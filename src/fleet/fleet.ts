import { setMaxListeners } from 'node:events';
import { createRouterClient, type RouterClient } from '../backends/llama-server/client.ts';
import type { Config, RouterConfig } from '../config/schema.ts';
import { probeActivity } from '../engine/activity-probe.ts';
import { type Reader, type Reading, type ReadingChange, startReader } from '../engine/reader.ts';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import type { LifecycleRules } from '../models/lifecycle-state.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import type { Notice } from '../models/router-state.ts';
import { createStore, type Store } from '../models/store.ts';
import type { RouterControl } from './router-control.ts';
import { startTracker, type Tracker } from './tracker.ts';

/** The configured routers, followed: what the service and the one-off commands share. */
export interface Fleet {
  store: Store;
  onNotice(listener: (notice: Notice) => void): () => void;
  onReadingChange(listener: (news: ReadingChange) => void): () => void;
  /** What is known of the models' own metrics, by router; `version` changes when any of it does. */
  engine: { readings(): readonly RouterReadings[]; version(): number };
  /** Reads the models' own metrics where they are older than the interval, within `budgetMs`. */
  freshen(budgetMs: number): Promise<void>;
  /** The same for somebody who would rather wait than not know. */
  readAll(budgetMs: number): Promise<void>;
  /** Starts to follow what is new in this configuration, ends what is gone, leaves the rest as it is. */
  apply(config: Config): Promise<void>;
  /** Resolves when every router has answered, or failed to answer, its first listing. */
  ready(): Promise<void>;
  /** Asks every router for a fresh listing. */
  refresh(): Promise<void>;
  /** The controls of all routers, for operations. */
  controls(): RouterControl[];
  stop(): Promise<void>;
}

export interface RouterReadings {
  router: string;
  readings: readonly Reading[];
}

interface Followed {
  /** What it was started with: another value is another start. */
  terms: string;
  url: string;
  client: RouterClient;
  tracker: Tracker;
  reader: Reader | undefined;
  /** Aborts when it is followed no longer. */
  ending: AbortController;
}

export interface FleetOptions {
  /** Whether the models' own metrics are read. */
  readEngine: boolean;
}

/** Builds an empty fleet: `apply` fills it. */
export function createFleet(clock: Clock, { readEngine }: FleetOptions): Fleet {
  const rules: LifecycleRules = { reloadWindowMs: 0 };
  const store = createStore(clock, rules);
  const notices = createListeners<Notice>();
  const readingChanges = createListeners<ReadingChange>();
  const followed = new Map<string, Followed>();
  /** Grows by more than any reader's version when a reader comes or goes, so that no two sums are the same. */
  let changes = 0;

  return {
    store,
    onNotice: notices.add,
    onReadingChange: readingChanges.add,
    engine: {
      readings: () =>
        [...followed].map(([router, { reader }]) => ({ router, readings: reader?.readings() ?? [] })),
      version: () =>
        [...followed.values()].reduce((sum, { reader }) => sum + (reader?.version() ?? 0), changes),
    },
    async freshen(budgetMs) {
      await Promise.all([...followed.values()].map(({ reader }) => reader?.freshen(budgetMs)));
    },
    async readAll(budgetMs) {
      await Promise.all([...followed.values()].map(({ reader }) => reader?.readAll(budgetMs)));
    },
    async apply(config) {
      rules.reloadWindowMs = config.lifecycle.reload_window * 1000;
      const wanted = new Map(config.routers.map((router) => [router.name, router]));
      const ended = [...followed].filter(([name, { terms }]) => {
        const router = wanted.get(name);
        return router === undefined || termsOf(router, config) !== terms;
      });
      await Promise.all(ended.map(([name, router]) => end(name, router, wanted.get(name)?.url)));
      for (const router of wanted.values()) if (!followed.has(router.name)) follow(router, config);
    },
    async ready() {
      await Promise.all([...followed.values()].map(({ tracker }) => tracker.ready));
    },
    async refresh() {
      await Promise.all([...followed.values()].map(({ tracker }) => tracker.refresh()));
    },
    controls: () =>
      [...followed].flatMap(([name, router]) => {
        const entry = store.entry(name);
        return entry ? [controlOf(entry, router)] : [];
      }),
    async stop() {
      await Promise.all([...followed].map(([name, router]) => end(name, router, router.url)));
    },
  };

  function controlOf(entry: RouterEntry, { client, tracker, reader, ending }: Followed): RouterControl {
    return {
      state: entry.state,
      async probe(model) {
        await reader?.release(model);
        return probeActivity(model, entry, client, clock, ending.signal);
      },
      exclusive: client.exclusive,
      async unload(model) {
        await reader?.release(model);
        return client.unload(model, ending.signal);
      },
      markUnloadPending: entry.asking,
      refresh: tracker.refresh,
      onTransition: store.onTransition,
    };
  }

  function follow(router: RouterConfig, config: Config): void {
    const { name, url } = router;
    const client = createRouterClient({
      url,
      requestTimeoutMs: config.follow.request_timeout * 1000,
      modelTimeoutMs: config.engine.timeout * 1000,
      ...(router.api_key && { apiKey: router.api_key }),
    });
    const entry = store.entry(name) ?? store.add(name, url);
    const pace = {
      listingMs: config.follow.listing_interval * 1000,
      pollingMs: config.follow.polling_interval * 1000,
      reconnectMinMs: config.follow.reconnect_min * 1000,
      reconnectMaxMs: config.follow.reconnect_max * 1000,
    };
    const tracker = startTracker(client, entry, pace, clock, notices.tell);
    const reading = { intervalMs: config.engine.interval * 1000, keepMs: config.engine.keep * 1000 };
    const reader = readEngine
      ? startReader(entry, client.metrics, reading, clock, store.onTransition, readingChanges.tell)
      : undefined;
    changes += 2 ** 32;
    const ending = new AbortController();
    setMaxListeners(0, ending.signal); // One for every request that is under way.
    followed.set(name, { terms: termsOf(router, config), url, client, tracker, reader, ending });
  }

  /** What is believed of it is kept when it will be followed again at the same address. */
  async function end(name: string, router: Followed, nextUrl: string | undefined): Promise<void> {
    followed.delete(name);
    router.ending.abort();
    changes += 2 ** 32;
    await Promise.all([router.tracker.stop(), router.reader?.stop()]);
    await router.client.close();
    if (nextUrl !== router.url) store.remove(name);
  }
}

function termsOf(router: RouterConfig, config: Config): string {
  return JSON.stringify([router.url, router.api_key?.reveal(), config.follow, config.engine]);
}
