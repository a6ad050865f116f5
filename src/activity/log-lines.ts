import type { ReadingChange } from '../engine/reader.ts';
import type { DiscoveryChange } from '../fleet/discovery/discovery.ts';
import type { HoldChange } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { SeriesLimitChange } from '../metrics/series-limit.ts';
import type { Change, Transition } from '../models/router-state.ts';
import type { Loop } from '../unload/guards.ts';
import type { Operation, Summary } from '../unload/report.ts';

export function logTransition(log: Logger, transition: Transition): void {
  const { router } = transition;
  switch (transition.kind) {
    case 'router': {
      if (transition.change !== 'down') return log.info(`router ${transition.change}`, { router });
      const { kind, message } = transition.fault;
      return log.warn('router down', { router, fault: kind, error: message });
    }
    case 'stream':
      return transition.state === 'unsupported'
        ? log.info('router has no event stream; polling instead', { router })
        : log.info(`event stream ${transition.state}`, { router });
    case 'malformed': {
      const { entries } = transition;
      return log.warn('malformed entries in the listing', {
        router,
        count: entries.length,
        first: entries[0],
      });
    }
    case 'model':
      return logModel(log, transition);
  }
}

function logModel(log: Logger, transition: Extract<Transition, { kind: 'model' }>): void {
  const { router, model, change } = transition;
  switch (change.kind) {
    case 'loaded': {
      log.info('model loaded', { router, model, seconds: change.durationSeconds });
      if (change.reload === undefined) return;
      const { reason, afterSeconds: after_seconds } = change.reload;
      const { cause } = transition;
      return log.info('model reloaded after unload', { router, model, reason, after_seconds, cause });
    }
    case 'load_failed':
      return log.warn('model load failed', { router, model, exit_code: change.exitCode });
    case 'unloaded':
      return logUnloaded(log, router, model, change);
    case 'slept':
      return log.info('model fell asleep', { router, model });
    case 'woke':
      return log.info('model woke', { router, model });
    case 'status':
      return log.debug('model status changed', { router, model, from: change.from, to: change.to });
    case 'appeared':
    case 'vanished':
      return log.debug(`model ${change.kind}`, { router, model });
  }
}

function logUnloaded(
  log: Logger,
  router: string,
  model: string,
  { reason, from: was, forced }: Change & { kind: 'unloaded' },
): void {
  if (reason === 'crashed') return log.warn('model crashed', { router, model, was });
  // A client may have waited for the stop timeout of the router.
  if (forced) return log.warn('model killed: it did not stop in time', { router, model, reason, was });
  log.info('model unloaded', { router, model, reason, was });
}

export function logDiscovery(log: Logger, { state, changed }: DiscoveryChange): void {
  const { group, found, ignored, faults } = state;
  if (changed) log.info('routers discovered', { group, found });
  for (const { target, why } of ignored) log.warn('discovered router ignored', { group, target, why });
  const failure = 'discovery failed; keeping the routers found before';
  for (const error of faults) log.warn(failure, { group, error });
}

export function logReading(log: Logger, change: ReadingChange): void {
  const { router } = change;
  switch (change.kind) {
    case 'disabled':
      return log.warn('router runs without --metrics; busy and idle models cannot be told apart', { router });
    case 'idle_timers': {
      const { build, areRead } = change;
      const fields = { router, build, models: change.models.join(', ') };
      return areRead
        ? log.warn('reading restarts idle timers of this build; its models will not fall asleep', fields)
        : log.info('models with an idle timer are not read; reading would keep them awake', fields);
    }
    case 'none':
      return log.info('model has no metrics', { router, model: change.model, why: change.why });
    case 'failed':
      return log.warn('model metrics not read', { router, model: change.model, error: change.why });
    case 'recovered':
      return log.info('model metrics read again', { router, model: change.model });
  }
}

export function logHold(log: Logger, change: HoldChange, clock: Clock): void {
  const { id, routers, reason, holder, needBytes: need_bytes, unload, restore, enforce, why } = change.hold;
  const until = new Date(clock.wall(change.hold.until)).toISOString();
  const who = { hold: id, router: routers.join(','), holder };
  switch (change.kind) {
    case 'placed':
      return log.info('hold placed', { ...who, until, reason, need_bytes, unload, restore, enforce });
    case 'renewed':
      return log.debug('hold renewed', { ...who, until });
    case 'active':
      return log.info('memory of a hold is free', who);
    case 'failed':
      return log.warn('hold failed', { ...who, error: why });
    case 'released':
      return log.info('hold released', { ...who, by: change.by });
    case 'expired':
      return log.info('hold expired', who);
  }
}

export function logLoop(log: Logger, loop: Loop, clock: Clock): void {
  const until = new Date(clock.wall(loop.until)).toISOString();
  const fields = { router: loop.router, trigger: loop.trigger, models: loop.models.join(', '), until };
  log.warn('reload loop detected; automatic unloads paused', fields);
}

export function logSeriesLimit(log: Logger, path: string, change: SeriesLimitChange): void {
  if (change.kind === 'ended') return log.info('scrape is complete again', { path });
  log.warn('scrape has too many series; models are left out', {
    path,
    max_series: change.limit,
    series: change.series,
    dropped_series: change.droppedSeries,
    dropped_models: change.droppedModels,
  });
}

/** One line for the operation, and one for each router or model that needs an explanation. */
export function logOperation(log: Logger, operation: Operation): void {
  const { id, action, trigger, caller, reason, outcome, duration_seconds, routers } = operation;
  const level = outcome === 'failed' || outcome === 'partial' ? 'warn' : 'info';
  log[level](`${action} finished`, {
    operation: id,
    trigger,
    caller: caller.name,
    address: caller.address,
    outcome: outcome ?? undefined,
    reason: reason || undefined,
    seconds: duration_seconds,
    ...countsOf(operation),
  });
  for (const { router, fault, refused, models } of routers) {
    if (fault) log.warn(`${action} failed`, { operation: id, router, error: fault.message });
    if (refused) {
      log.info(`${action} refused`, { operation: id, router, refused: refused.reason, why: refused.detail });
    }
    for (const { model, result, detail } of models) {
      if (detail === undefined) continue;
      log.info(`${action} result`, { operation: id, router, model, result: String(result), detail });
    }
  }
}

/** The counts that an operation of this kind may have. */
function countsOf({ action, summary }: Operation): Partial<Summary> {
  const { unloaded, already_unloaded, kept, busy, failed, loaded, already_loaded, skipped } = summary;
  if (action === 'load') return { loaded, already_loaded, skipped, failed };
  return { unloaded, already_unloaded, kept, busy, failed };
}
