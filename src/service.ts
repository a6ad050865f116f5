import { collectEngine, collectRelayed } from './collectors/engine.ts';
import { collectExporter } from './collectors/exporter.ts';
import { collectMemory } from './collectors/memory.ts';
import { collectModels } from './collectors/models.ts';
import { collectRouters } from './collectors/routers.ts';
import { createScrape } from './collectors/scrape.ts';
import type { ConfigSource } from './config/source.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { createApp } from './http/app.ts';
import { serve } from './http/server.ts';
import { keepState } from './keep-state.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { Logger } from './lib/logger.ts';
import type { Memory } from './memory/memory.ts';
import { startProcessMetrics } from './metrics/process.ts';
import { createTelemetry } from './metrics/telemetry.ts';
import { logEngineNews, logTransitions } from './news.ts';
import { watchMemory } from './watch-memory.ts';

/** The running service. */
export interface Service {
  fleet: Fleet;
  memory: Memory;
  /** Where it listens. */
  port: number;
  /** Reads the configuration anew; `error` says what is wrong with it, and the old one is kept. */
  reload(): Promise<{ error?: string }>;
  /** Ends everything within seconds: streams closed, counters saved. */
  stop(): Promise<void>;
}

export interface ServiceParts {
  config: ConfigSource;
  log: Logger;
  version: string;
  clock?: Clock;
  /** Instead of this machine's. */
  memory?: Memory;
}

/**
 * Builds and connects everything, and listens. Rejects when the address cannot be had. Routers that cannot be
 * reached are no reason to fail: they are what we are here to tell about.
 */
export async function startService({
  config,
  log,
  version,
  clock = systemClock,
  memory: givenMemory,
}: ServiceParts): Promise<Service> {
  const closing = new AbortController();
  const fleet = createFleet(clock, { readEngine: true });
  const { store } = fleet;
  const telemetry = createTelemetry((router, model) => {
    const models = store.desk(router)?.belief.models;
    return models !== undefined && (model === undefined || models.has(model));
  });
  store.onTransition(telemetry.transition);
  store.onTransition(logTransitions(log));
  fleet.onNotice(telemetry.notice);
  fleet.onEngineNews(logEngineNews(log));

  let loads = { successful: true, loadedAt: clock.now() };
  let ready = false;
  let applying = Promise.resolve();
  const started = config.current;
  const { web, engine } = started;
  const relayed = collectRelayed(fleet.engine, () => config.current.engine.max_series);
  const processMetrics = startProcessMetrics(clock);
  const memory = givenMemory ?? watchMemory(() => config.current, store, clock, log);
  const app = createApp({
    store,
    scrape: createScrape(
      [
        collectRouters(store),
        collectModels(store),
        collectMemory(memory),
        telemetry.samples,
        collectEngine(fleet.engine, relayed.dropped, clock.now),
        ...(engine.publish === 'together' ? [relayed.collect] : []),
        collectExporter(version, () => loads),
        processMetrics.samples,
      ],
      fleet.freshen,
    ),
    telemetryPath: web.telemetry_path,
    ...(engine.publish === 'apart' && {
      engine: {
        telemetryPath: engine.telemetry_path,
        scrape: createScrape([relayed.collect], fleet.freshen),
      },
    }),
    isReady: () => ready && !closing.signal.aborted,
    reload,
    closing: closing.signal,
    log,
    version,
    now: clock.now,
  });
  const server = await serve(app, web.listen_address).catch(async (error: unknown) => {
    processMetrics.stop();
    await memory.stop();
    throw error;
  });
  // Not before the address is ours: another instance may run, and its state is not to be touched.
  const state = keepState(started.state, store, telemetry, clock, log);
  await fleet.apply(started);
  fleet.ready().then(() => {
    ready = true;
  });

  return {
    fleet,
    memory,
    port: server.port,
    reload,
    async stop() {
      closing.abort();
      await applying;
      await Promise.all([server.close(), fleet.stop(), memory.stop()]);
      await state.stop();
      processMetrics.stop();
    },
  };

  /** One at a time: a router that one reload takes away and the next brings back is ended before it starts. */
  function reload(): Promise<{ error?: string }> {
    const result = applying.then(reloadNow);
    applying = result.then(
      () => {},
      () => {},
    );
    return result;
  }

  async function reloadNow(): Promise<{ error?: string }> {
    if (closing.signal.aborted) return { error: 'shutting down' };
    const result = config.reload();
    if (!result.ok) {
      loads = { ...loads, successful: false };
      log.error('the configuration was not reloaded, the old one is in force', {
        error: result.error.message,
      });
      return { error: result.error.message };
    }
    await fleet.apply(result.config);
    loads = { successful: true, loadedAt: clock.now() };
    const restart = needsRestart(started, result.config);
    log.info('configuration reloaded', { routers: result.config.routers.length });
    if (restart.length > 0) log.warn('some changes wait for a restart', { options: restart.join(', ') });
    return {};
  }
}

/** What is read once, at the start, and is another now. */
function needsRestart(before: ConfigSource['current'], after: ConfigSource['current']): string[] {
  const readOnce = ({
    web,
    log,
    state,
    memory,
    path,
    engine: { publish, telemetry_path },
  }: ConfigSource['current']) =>
    new Map(
      Object.entries({
        web,
        log,
        state,
        memory,
        path,
        'engine.publish': publish,
        'engine.telemetry_path': telemetry_path,
      }).map(([name, value]) => [name, JSON.stringify(value)]),
    );
  const then = readOnce(before);
  return [...readOnce(after)].filter(([name, value]) => then.get(name) !== value).map(([name]) => name);
}
