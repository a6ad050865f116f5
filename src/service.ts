import { createAccess } from './http/access.ts';
import { rulesOf } from './alerts/rules.ts';
import { startBookkeeping } from './activity/activity-log.ts';
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
import { createFleet, type Fleet } from './fleet/fleet.ts';
import { createHolds } from './hold/holds.ts';
import { holdAround } from './hold/operation-holds.ts';
import { createApp } from './http/app.ts';
import { serve } from './http/server.ts';
import { createInForce } from './fleet/active-config.ts';
import { keepState } from './state/keep-state.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { Logger } from './lib/logger.ts';
import { within } from './lib/within.ts';
import type { Memory } from './memory/memory.ts';
import { createDeeds } from './activity/operation-metrics.ts';
import { startProcessMetrics } from './metrics/process.ts';
import { createTelemetry } from './metrics/lifecycle-metrics.ts';
import { logEngineNews, logLoop, logTransitions } from './activity/log-lines.ts';
import { startSweeper } from './idle/scheduler.ts';
import type { Operations } from './unload/operations.ts';
import { OUTCOMES, REFUSAL_REASONS } from './unload/report.ts';
import { TRIGGERS } from './unload/request.ts';
import { createUnloading, defaultTerms, sweepRulesOf } from './unload/unloading.ts';
import { createUsage } from './models/usage.ts';
import { watchMemory } from './memory/watch.ts';

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
  const access = createAccess(config, (refusal) => books.unauthorized(refusal), clock, log);
  const closing = new AbortController();
  const started = config.current;
  const { web, engine } = started;
  const fleet = createFleet(clock, { readEngine: true });
  const inForce = createInForce(config, fleet, clock, log);
  const { store } = fleet;
  const holds = createHolds(clock);
  const memory = givenMemory ?? watchMemory(inForce.current, store, clock, log);
  const { operations, guards, keep } = createUnloading(fleet, inForce.current, clock, {
    tellLoop: logLoop(log),
    memory,
  });

  const usage = createUsage(store, clock);
  const telemetry = createTelemetry(isPresent, usage.causeOf);
  const deeds = createDeeds(isPresent, { triggers: TRIGGERS, outcomes: OUTCOMES, refusals: REFUSAL_REASONS });
  store.onTransition(telemetry.transition);
  store.onTransition(logTransitions(log, usage));
  store.onTransition((transition) => {
    if (transition.kind !== 'router') return;
    if (transition.change === 'added') deeds.added(transition.router);
    if (transition.change === 'removed') deeds.removed(transition.router);
  });
  fleet.onNotice(telemetry.notice);
  fleet.onEngineNews(logEngineNews(log));
  const books = startBookkeeping(started.audit.file, { operations, holds, deeds }, clock, log);
  holdAround(operations, holds, () => inForce.current().hold, clock);

  let ready = false;
  const relayed = collectRelayed(fleet.engine, () => inForce.current().engine.max_series);
  const processMetrics = startProcessMetrics(clock);
  const app = createApp({
    store,
    scrape: createScrape(
      [
        collectRouters(store),
        collectDiscovery(inForce.discovery),
        collectModels(store),
        collectHolds(store, holds),
        collectMemory(memory),
        telemetry.samples,
        collectEngine(fleet.engine, relayed.dropped, clock.now),
        ...(engine.publish === 'together' ? [relayed.collect] : []),
        collectUnloads(store, operations, guards),
        deeds.samples,
        collectAudit(books.auditSucceeded),
        collectExporter(version, inForce.loads),
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
      ...defaultTerms(inForce.current()),
      answerWithinMs: inForce.current().unload.answer_within * 1000,
    }),
    joined: books.joined,
    within: (ms, work) => within(ms, work, clock),
    alertRules: () => rulesOf(inForce.current().alerts),
    ignored: (caller, why) => books.refused('not_matched', caller, 'POST /api/v1/alertmanager', why),
    usage,
    reported: telemetry.reported,
    holds,
    holdRules: () => inForce.current().hold,
    memory,
    auth: access.auth,
    isReady: () => ready && !closing.signal.aborted,
    async reload(caller) {
      const result = await inForce.reload();
      books.reloaded(caller, result.error ?? 'the configuration is in force');
      return result;
    },
    closing: closing.signal,
    log,
    version,
    now: clock.now,
  });
  const server = await serve(app, web.listen_address, { tls: access.tls }).catch(async (error: unknown) => {
    processMetrics.stop();
    await memory.stop();
    throw error;
  });
  // Not before the address is ours: another instance may run, and its state is not to be touched.
  const state = keepState(
    started.state,
    {
      counters: {
        version: () => `${store.version()} ${operations.version()}`,
        snapshot: async () => [...(await telemetry.snapshot()), ...(await deeds.snapshot())],
        restore(saved) {
          telemetry.restore(saved);
          deeds.restore(saved);
        },
      },
      lastUnloads: { version: store.version, snapshot: store.lastUnloads, restore: store.recall },
      holds: { version: holds.version, snapshot: holds.all, restore: holds.restore },
      operations: {
        version: operations.version,
        snapshot: () => operations.list().filter(({ outcome }) => outcome !== null),
        restore: operations.restore,
      },
      guards: { version: guards.version, snapshot: guards.snapshot, restore: guards.restore },
    },
    clock,
    log,
  );
  await inForce.start();
  fleet.ready().then(() => {
    ready = true;
  });
  const sweeper = startSweeper({
    routers: store.routers,
    holdOf: holds.of,
    keep,
    rules: () => sweepRulesOf(inForce.current()),
    terms: () => defaultTerms(inForce.current()),
    start: operations.start,
    clock,
  });

  return {
    fleet,
    operations,
    memory,
    port: server.port,
    reload: inForce.reload,
    async stop() {
      closing.abort();
      sweeper.stop();
      await inForce.stop();
      await Promise.all([server.close(), operations.stop().then(fleet.stop), memory.stop()]);
      await access.auth.close();
      await state.stop();
      await books.stop();
      holds.stop();
      processMetrics.stop();
    },
  };

  function isPresent(router: string, model?: string): boolean {
    const models = store.desk(router)?.belief.models;
    return models !== undefined && (model === undefined || models.has(model));
  }
}
