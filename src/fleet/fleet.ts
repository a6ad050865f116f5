import { setMaxListeners } from 'node:events';
import type { Backend, LoadAnswer, UnloadAnswer } from '../backends/backend.ts';
import { connect } from '../backends/connect.ts';
import type { Config, RouterConfig } from '../config/schema.ts';
import { type ProbeResult, probeActivity } from '../engine/activity.ts';
import { type EngineReader, type ReadingChange, startEngineReader } from '../engine/reader.ts';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import { revealingJson } from '../lib/secret.ts';
import type { RouterAnswer } from '../models/feed.ts';
import { markUnloadPending } from '../models/observations.ts';
import type { Notice, RouterState } from '../models/router-state.ts';
import type { LifecycleRules } from '../models/status-change.ts';
import { createStore, type Store } from '../models/store.ts';
import { type OrderedCause, reportUsage } from '../models/usage.ts';
import { startTracker, type Tracker } from './tracker.ts';

interface FollowedRouter {
  state: RouterState;
  /** The settings it was started with; other settings need a restart. */
  settings: string;
  client: Backend;
  tracker: Tracker;
  reader: EngineReader | undefined;
  /** Aborts when it is not followed any more. */
  ending: AbortController;
}

export interface FleetOptions {
  readEngine: boolean;
  settleMs?: number;
}

export type Fleet = ReturnType<typeof createFleet>;

/**
 * The routers that are followed: shared by the service and the one-off commands. Empty until `apply`. The models' own
 * metrics are read if `readEngine` says so. `settleMs` is that of the trackers.
 */
export function createFleet(clock: Clock, { readEngine, settleMs }: FleetOptions) {
  const rules: LifecycleRules = { reloadWindowMs: 0 };
  const store = createStore(clock, rules);
  const notices = createListeners<Notice>();
  const readingChanges = createListeners<ReadingChange>();
  const followed = new Map<string, FollowedRouter>();

  return {
    store,
    onNotice: notices.add,
    onReadingChange: readingChanges.add,
    /** The models' own metrics, by router. */
    engine: {
      readings: () =>
        [...followed].map(([router, { reader }]) => ({ router, readings: reader?.readings() ?? [] })),
    },
    /** Reads the models' own metrics that were not read yet, within `budgetMs`. */
    async readAll(budgetMs: number): Promise<void> {
      await Promise.all([...followed.values()].map(({ reader }) => reader?.readAll(budgetMs)));
    },
    /** Starts following the routers that are new in this configuration, and stops following those that are gone. */
    async apply(config: Config): Promise<void> {
      rules.reloadWindowMs = config.lifecycle.reload_window * 1000;
      const wanted = new Map(config.routers.map((router) => [router.name, router]));
      const ended = [...followed].filter(([name, { settings }]) => {
        const router = wanted.get(name);
        return router === undefined || settingsOf(router, config) !== settings;
      });
      await Promise.all(ended.map(([name, router]) => end(router, wanted.get(name)?.url)));
      for (const router of wanted.values()) if (!followed.has(router.name)) follow(router, config);
    },
    /** Resolves when every router has answered, or failed to answer, its first listing. */
    async ready(): Promise<void> {
      await Promise.all([...followed.values()].map(({ tracker }) => tracker.ready));
    },
    /** Requests a listing of every router. */
    async refresh(): Promise<void> {
      await Promise.all([...followed.values()].map(({ tracker }) => tracker.refresh()));
    },
    /** The controls of all routers, for operations. */
    controls: (): RouterControl[] => [...followed.values()].map((router) => controlOf(store, router)),
    async stop(): Promise<void> {
      await Promise.all([...followed.values()].map((router) => end(router, router.state.url)));
    },
  };

  function follow(router: RouterConfig, config: Config): void {
    const { name, url } = router;
    const endpoint = {
      ...router,
      requestTimeoutMs: config.follow.request_timeout * 1000,
      modelTimeoutMs: config.engine.timeout * 1000,
      unloadTimeoutMs: config.unload.timeout * 1000,
    };
    const client = connect(endpoint, router.kind);
    const state = store.router(name) ?? store.add(name, url);
    state.readMode = config.engine.read;
    const pace = {
      listingMs: config.follow.listing_interval * 1000,
      pollingMs: config.follow.polling_interval * 1000,
      reconnectMinMs: config.follow.reconnect_min * 1000,
      reconnectMaxMs: config.follow.reconnect_max * 1000,
    };
    const tracker = startTracker({
      feed: client,
      store,
      router: state,
      pace,
      settleMs,
      notice: notices.notify,
    });
    const reads = readEngine && config.engine.read !== 'off';
    const reader = reads ? startReader(state, client, config) : undefined;
    const ending = new AbortController();
    setMaxListeners(0, ending.signal); // One for every request under way.
    followed.set(name, { state, settings: settingsOf(router, config), client, tracker, reader, ending });
  }

  function startReader(router: RouterState, client: Backend, { engine }: Config): EngineReader {
    return startEngineReader({
      store,
      router,
      metrics: client.metrics,
      pace: { intervalMs: engine.interval * 1000, keepMs: engine.keep * 1000 },
      report: readingChanges.notify,
    });
  }

  /** Keeps the state of a router that will be followed again at the same URL. */
  async function end(
    { state, client, tracker, reader, ending }: FollowedRouter,
    nextUrl?: string,
  ): Promise<void> {
    followed.delete(state.name);
    ending.abort();
    await Promise.all([tracker.stop(), reader?.stop()]);
    await client.close();
    if (nextUrl !== state.url) store.remove(state.name);
  }
}

export type RouterControl = ReturnType<typeof controlOf>;

/** What an operation needs to act on one router. No call throws. */
function controlOf(store: Store, { state, client, tracker, reader, ending }: FollowedRouter) {
  return {
    /** The observed state; always the current one. */
    state: state as Readonly<RouterState>,
    /** Asks a loaded model whether it is busy. Never call it for a sleeping model: the request may wake it. */
    async probe(model: string): Promise<ProbeResult> {
      await reader?.release(model);
      return probeActivity(model, { store, router: state, client, signal: ending.signal });
    },
    /**
     * Runs work that ends with an order to this router while no other such work runs, so that a last check directly
     * before the order stays true until the order is sent. Work that takes longer than half a second stops blocking.
     */
    exclusive: client.exclusive,
    /** Sends the unload order; the answer only acknowledges it. To be called within `exclusive`. */
    async unload(model: string): Promise<RouterAnswer<UnloadAnswer>> {
      await reader?.release(model);
      return client.unload(model, ending.signal);
    },
    /**
     * Sends the load order, and notes why; the answer only acknowledges it. On a full router it comes when another
     * model has been evicted. To be called within `exclusive`.
     */
    load(model: string, cause: OrderedCause): Promise<RouterAnswer<LoadAnswer>> {
      reportUsage(store, { router: state.name, model, cause });
      return client.load(model, ending.signal);
    },
    /**
     * Marks an unload request of ours as pending, so that the end of the model is attributed to us. To be called before
     * the request is sent: its event may arrive before its answer. The returned function cancels the mark.
     */
    markUnloadPending: (model: string) => markUnloadPending(store, state, model),
    /** Lists the models now, in case an event was missed; resolves when the listing is applied or has failed. */
    refresh: tracker.refresh,
    /** Transitions of all routers. */
    onTransition: store.onTransition,
  };
}

function settingsOf(
  { url, kind, local, api_key, username, password, ca_file, host_header }: RouterConfig,
  config: Config,
) {
  const access = [url, kind, local, api_key, username, password, ca_file, host_header];
  return revealingJson([access, config.follow, config.engine]);
}
