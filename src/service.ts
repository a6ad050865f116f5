import { createActivityLog } from './activity/activity-log.ts';
import { createOperationMetrics } from './activity/operation-metrics.ts';
import { collectDiscovery } from './collectors/discovery.ts';
import { collectEngine, collectRelayed } from './collectors/engine.ts';
import { collectExporter } from './collectors/exporter.ts';
import { collectHolds } from './collectors/holds.ts';
import { collectMemory } from './collectors/memory.ts';
import { collectModels } from './collectors/models.ts';
import { collectRouters } from './collectors/routers.ts';
import { type Collector, createScrape } from './collectors/scrape.ts';
import { collectUnloads } from './collectors/unloads.ts';
import type { ConfigSource } from './config/source.ts';
import { createActiveConfig } from './fleet/active-config.ts';
import { createFleet, type Fleet } from './fleet/fleet.ts';
import { createHolding } from './hold/holding.ts';
import { createAccess } from './http/access.ts';
import { createApp } from './http/app.ts';
import type { AppParts } from './http/parts.ts';
import { serveOn } from './http/server.ts';
import { startIdleScheduler } from './idle/scheduler.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { ProcessLog } from './lib/logger.ts';
import type { Memory } from './memory/memory.ts';
import { watchMemory } from './memory/watch.ts';
import { createLifecycleMetrics } from './metrics/lifecycle-metrics.ts';
import { startProcessMetrics } from './metrics/process.ts';
import { countersPart } from './metrics/registry.ts';
import { createSeriesLimit, type SeriesLimitChange } from './metrics/series-limit.ts';
import { lastUnloadsPart } from './models/store.ts';
import { type KeptState, keepState } from './state/keep-state.ts';
import { createGuards, GUARDS, guardRules } from './unload/guards.ts';
import { measureBy } from './unload/measure.ts';
import { createOperations, type Operations } from './unload/operations.ts';
import { OPERATIONS } from './unload/registry.ts';
import { keepListOf } from './unload/request.ts';

/** The running service. */
export interface Service {
  fleet: Fleet;
  operations: Operations;
  memory: Memory;
  /** Where it listens. */
  port: number;
  /** What it listens on, with the bound ports. */
  addresses: readonly string[];
  /** Reloads the configuration; after an error the previous one stays active. */
  reload(): Promise<{ error?: string }>;
  /** Ends everything within seconds: streams closed, counters saved. */
  stop(): Promise<void>;
}

export interface ServiceParts {
  config: ConfigSource;
  log: ProcessLog;
  version: string;
  clock?: Clock;
  /** For tests: replaces the memory of this machine, or the fleet. */
  memory?: Memory | undefined;
  fleet?: Fleet | undefined;
}

/** Builds everything and starts it: see `start` of `createService`. */
export function startService(parts: ServiceParts): Promise<Service> {
  return createService(parts).start();
}

/**
 * Builds and connects everything; nothing listens or follows a router before `start`. Throws a ConfigError when the
 * web configuration file is invalid.
 */
export function createService({
  config,
  log,
  version,
  clock = systemClock,
  memory: givenMemory,
  fleet = createFleet(clock, { readEngine: true }),
}: ServiceParts) {
  // Before anything that runs: it may refuse to start.
  const access = createAccess(config, (...refusal) => activityLog.refused(...refusal), clock, log);
  const closing = new AbortController();
  const started = config.current;
  const { web, engine } = started;
  const activeConfig = createActiveConfig(config, fleet, clock, log);
  const { store } = fleet;
  const memory = givenMemory ?? watchMemory(activeConfig.current, store, clock, log);
  const lifecycleMetrics = createLifecycleMetrics();
  const operationMetrics = createOperationMetrics();
  const activityLog = createActivityLog(started.audit.file, operationMetrics, clock, log);
  const keep = (router: string) => keepListOf(activeConfig.current(), router);
  const guards = createGuards(clock, () => guardRules(activeConfig.current()), activityLog.loop);
  const measure = measureBy(memory, activeConfig.current);
  const operations = createOperations({ controls: fleet.controls, keep, guards, clock, measure });
  let kept: KeptState | undefined;
  const saveState = async () => kept?.save();
  const writes = {
    audit: () => activityLog.auditSucceeded(),
    state: () => kept?.succeeded(),
    log: log.succeeded,
  };
  const holding = createHolding({
    fleet,
    operations,
    memory,
    measure,
    config: activeConfig.current,
    clock,
    save: saveState,
  });
  const { holds, loads } = holding;
  store.onTransition(guards.observe);
  store.onTransition(lifecycleMetrics.transition);
  store.onTransition(activityLog.transition);
  fleet.onNotice(lifecycleMetrics.notice);
  fleet.onReadingChange(activityLog.reading);
  activeConfig.discovery.onChange(activityLog.discovery);
  operations.onStart(activityLog.started);
  operations.onEnd(activityLog.ended);
  holds.onChange(activityLog.hold);

  let ready = false;
  const relayed = collectRelayed(fleet.engine, () => activeConfig.current().engine.max_series);
  const processMetrics = startProcessMetrics(clock);
  const scrapeOn = (path: string, collectors: readonly Collector[]) => {
    const report = (change: SeriesLimitChange) => activityLog.seriesLimit(path, change);
    return [path, createScrape(collectors, createSeriesLimit(web.max_series, report))] as const;
  };
  const scrapes = new Map([
    scrapeOn(web.telemetry_path, [
      collectRouters(store, clock),
      collectDiscovery(activeConfig.discovery, clock),
      collectModels(store, clock),
      collectHolds(store, holds, clock),
      collectMemory(memory),
      lifecycleMetrics.samples,
      collectEngine(fleet.engine, relayed.dropped, clock.now),
      ...(engine.publish === 'together' ? [relayed.collect] : []),
      collectUnloads(store, guards, clock),
      operationMetrics.samples,
      collectExporter(version, activeConfig.loads, writes, clock),
      processMetrics.samples,
    ]),
    ...(engine.publish === 'apart' ? [scrapeOn(engine.telemetry_path, [relayed.collect])] : []),
  ]);
  const parts: AppParts = {
    store,
    operations,
    loads,
    holds,
    memory,
    activeConfig,
    activityLog,
    lifecycleMetrics,
    saveState,
    auth: access.auth,
    scrapes,
    isReady: () => ready && !closing.signal.aborted,
    closing: closing.signal,
    clock,
    log,
    version,
  };
  return { parts, start };

  /** Listens and begins to follow the routers, reachable or not. Rejects when it cannot listen on an address. */
  async function start(): Promise<Service> {
    const server = await serveOn(createApp(parts), web.listen_address, { tls: access.tls }).catch(
      async (error: unknown) => {
        processMetrics.stop();
        await memory.stop();
        throw error;
      },
    );
    // Not before the address is ours: another instance may run, and its state is not to be touched.
    const state = keepState(
      started.state,
      [
        countersPart([lifecycleMetrics, operationMetrics]),
        lastUnloadsPart(store),
        ...holding.stateParts,
        { ...OPERATIONS, ...operations },
        { ...GUARDS, ...guards },
      ],
      clock,
      log,
    );
    kept = state;
    access.warnWhenOpen();
    holding.start();
    await activeConfig.start();
    fleet.ready().then(() => {
      ready = true;
      holding.resume();
    });
    const idleScheduler = startIdleScheduler({
      store,
      holds,
      operations,
      keep,
      config: activeConfig.current,
      clock,
    });

    return {
      fleet,
      operations,
      memory,
      port: server.port,
      addresses: server.addresses,
      reload: activeConfig.reload,
      async stop() {
        closing.abort();
        idleScheduler.stop();
        await activeConfig.stop();
        await Promise.all([server.close(), operations.stop().then(fleet.stop), memory.stop()]);
        await state.stop();
        await activityLog.stop();
        holding.stop();
        processMetrics.stop();
      },
    };
  }
}
