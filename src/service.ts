import { createActivityLog } from './activity/activity-log.ts';
import { createOperationMetrics } from './activity/operation-metrics.ts';
import { rulesOf } from './alerts/rules.ts';
import { collectAudit } from './collectors/audit.ts';
import { collectDiscovery } from './collectors/discovery.ts';
import { collectEngine, collectRelayed } from './collectors/engine.ts';
import { collectExporter } from './collectors/exporter.ts';
import { collectHolds } from './collectors/holds.ts';
import { collectMemory } from './collectors/memory.ts';
import { collectModels } from './collectors/models.ts';
import { collectRouters } from './collectors/routers.ts';
import { createScrape } from './collectors/scrape.ts';
import { collectUnloads } from './collectors/unloads.ts';
import type { ConfigSource } from './config/source.ts';
import { createActiveConfig } from './fleet/active-config.ts';
import { createFleet, type Fleet } from './fleet/fleet.ts';
import { createHolds, holdsPart } from './hold/holds.ts';
import { holdForOperations } from './hold/operation-holds.ts';
import { createAccess } from './http/access.ts';
import { createApp } from './http/app.ts';
import { serve } from './http/server.ts';
import { idlePolicyOf, startIdleScheduler } from './idle/scheduler.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { Logger } from './lib/logger.ts';
import { within } from './lib/within.ts';
import type { Memory } from './memory/memory.ts';
import { watchMemory } from './memory/watch.ts';
import { countersPart } from './metrics/counters.ts';
import { createLifecycleMetrics } from './metrics/lifecycle-metrics.ts';
import { startProcessMetrics } from './metrics/process.ts';
import { lastUnloadsPart } from './models/store.ts';
import { createUsage } from './models/usage.ts';
import { keepState } from './state/keep-state.ts';
import { guardsPart } from './unload/guards.ts';
import { type Operations, operationsPart } from './unload/operations.ts';
import { createUnloading, defaultTerms } from './unload/unloading.ts';

/** The running service. */
export interface Service {
  fleet: Fleet;
  operations: Operations;
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
 * Builds and connects everything, and listens. Rejects when the address cannot be had, and with a ConfigError when
 * the web configuration file cannot be used. Routers that cannot be
 * reached are no reason to fail: they are what we are here to tell about.
 */
export async function startService({
  config,
  log,
  version,
  clock = systemClock,
  memory: givenMemory,
}: ServiceParts): Promise<Service> {
  // Before anything that runs: it may refuse to start.
  const access = createAccess(config, (refusal) => activityLog.unauthorized(refusal), clock, log);
  const closing = new AbortController();
  const started = config.current;
  const { web, engine } = started;
  const fleet = createFleet(clock, { readEngine: true });
  const activeConfig = createActiveConfig(config, fleet, clock, log);
  const { store } = fleet;
  const holds = createHolds(clock);
  const memory = givenMemory ?? watchMemory(activeConfig.current, store, clock, log);
  const usage = createUsage(store, clock);
  const lifecycleMetrics = createLifecycleMetrics(isPresent, usage.causeOf);
  const operationMetrics = createOperationMetrics(isPresent);
  const activityLog = createActivityLog({
    auditFile: started.audit.file,
    metrics: operationMetrics,
    causeOf: usage.causeOf,
    clock,
    log,
  });
  const { operations, guards, keep } = createUnloading(fleet, activeConfig.current, clock, {
    tellLoop: activityLog.loop,
    memory,
  });
  store.onTransition(lifecycleMetrics.transition);
  store.onTransition(activityLog.transition);
  fleet.onNotice(lifecycleMetrics.notice);
  fleet.onReadingChange(activityLog.reading);
  activeConfig.discovery.onNews(activityLog.discovery);
  operations.onEnd(activityLog.operation);
  holds.onChange(activityLog.hold);
  holdForOperations(operations, holds, store, () => activeConfig.current().hold, clock);

  let ready = false;
  const relayed = collectRelayed(fleet.engine, () => activeConfig.current().engine.max_series);
  const processMetrics = startProcessMetrics(clock);
  const app = createApp({
    store,
    scrape: createScrape(
      [
        collectRouters(store, clock),
        collectDiscovery(activeConfig.discovery, clock),
        collectModels(store, clock),
        collectHolds(store, holds, clock),
        collectMemory(memory),
        lifecycleMetrics.samples,
        collectEngine(fleet.engine, relayed.dropped, clock.now),
        ...(engine.publish === 'together' ? [relayed.collect] : []),
        collectUnloads(store, operations, guards),
        operationMetrics.samples,
        collectAudit(activityLog.auditSucceeded),
        collectExporter(version, activeConfig.loads, clock),
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
    operations,
    terms: () => ({
      ...defaultTerms(activeConfig.current()),
      answerWithinMs: activeConfig.current().unload.answer_within * 1000,
    }),
    joined: activityLog.joined,
    within: (ms, work) => within(ms, work, clock),
    alertRules: () => rulesOf(activeConfig.current().alerts),
    ignored: (caller, why) => activityLog.refused('not_matched', caller, 'POST /api/v1/alertmanager', why),
    usage,
    reported: lifecycleMetrics.reported,
    holds,
    holdRules: () => activeConfig.current().hold,
    memory,
    auth: access.auth,
    isReady: () => ready && !closing.signal.aborted,
    async reload(caller) {
      const result = await activeConfig.reload();
      activityLog.reloaded(caller, result.error);
      return result;
    },
    closing: closing.signal,
    log,
    version,
    clock,
  });
  const server = await serve(app, web.listen_address, { tls: access.tls }).catch(async (error: unknown) => {
    processMetrics.stop();
    await memory.stop();
    throw error;
  });
  // Not before the address is ours: another instance may run, and its state is not to be touched.
  const state = keepState(
    started.state,
    [
      countersPart([lifecycleMetrics, operationMetrics]),
      lastUnloadsPart(store),
      holdsPart(holds),
      operationsPart(operations),
      guardsPart(guards),
    ],
    clock,
    log,
  );
  await activeConfig.start();
  fleet.ready().then(() => {
    ready = true;
  });
  const idleScheduler = startIdleScheduler({
    routers: store.routers,
    holdOf: holds.of,
    keep,
    rules: () => idlePolicyOf(activeConfig.current()),
    terms: () => defaultTerms(activeConfig.current()),
    start: operations.start,
    clock,
  });

  return {
    fleet,
    operations,
    memory,
    port: server.port,
    reload: activeConfig.reload,
    async stop() {
      closing.abort();
      idleScheduler.stop();
      await activeConfig.stop();
      await Promise.all([server.close(), operations.stop().then(fleet.stop), memory.stop()]);
      await access.auth.close();
      await state.stop();
      await activityLog.stop();
      holds.stop();
      processMetrics.stop();
    },
  };

  function isPresent(router: string, model?: string): boolean {
    const models = store.entry(router)?.state.models;
    return models !== undefined && (model === undefined || models.has(model));
  }
}
