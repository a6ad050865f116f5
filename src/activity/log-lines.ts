import type { ReadingChange } from '../engine/reader.ts';
import type { DiscoveryChange } from '../fleet/discovery/discovery.ts';
import type { HoldChange } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Transition } from '../models/router-state.ts';
import type { Usage } from '../models/usage.ts';
import type { Loop } from '../unload/guards.ts';
import type { Operation } from '../unload/report.ts';

/** Writes to the log what an operator would want to find there; changes of status alone are for debugging. */
export function logTransitions(log: Logger, usage: Usage): (transition: Transition) => void {
  return (transition) => {
    const { router } = transition;
    switch (transition.kind) {
      case 'router':
        if (transition.change === 'down') {
          const { kind, message } = transition.fault;
          log.warn('router is down', { router, fault: kind, error: message });
        } else {
          log.info(`router ${transition.change}`, { router });
        }
        return;
      case 'stream':
        return transition.state === 'unsupported'
          ? log.info('no event stream on this router: polling instead', { router })
          : log.info(`event stream ${transition.state}`, { router });
      case 'malformed':
        return log.warn('entries of the listing could not be understood', {
          router,
          count: transition.entries.length,
          first: transition.entries[0],
        });
      case 'model':
        return logModel(log, usage, router, transition.model, transition.change);
    }
  };
}

/** Writes to the log what is found of a group, what is not followed, and where nobody could look. */
export function logDiscovery(log: Logger): (news: DiscoveryChange) => void {
  return ({ state: { group, found, ignored, faults }, changed }) => {
    if (changed) log.info('routers discovered', { group, found });
    for (const { target, why } of ignored)
      log.warn('a discovered router is not followed', { group, target, why });
    for (const error of faults)
      log.warn('discovery failed, what was found before is followed', { group, error });
  };
}

/** Writes to the log how reading the models' own metrics goes, when that changes. */
export function logReadingChanges(log: Logger): (news: ReadingChange) => void {
  return (news) => {
    const { router } = news;
    switch (news.kind) {
      case 'disabled':
        return log.warn('this router runs without --metrics: nobody can tell which models are busy', {
          router,
        });
      case 'failed':
        return log.warn("a model's own metrics could not be read", {
          router,
          model: news.model,
          error: news.why,
        });
      case 'recovered':
        return log.info("a model's own metrics can be read again", { router, model: news.model });
    }
  };
}

/** Writes to the log from when to when memory was kept free, and who asked for it. */
export function logHolds(log: Logger, clock: Clock): (news: HoldChange) => void {
  return (news) => {
    const { router, until, reason, by, enforce } = news.hold;
    switch (news.kind) {
      case 'placed':
        return log.info('memory is kept free', {
          router,
          until: new Date(clock.wall(until)).toISOString(),
          reason,
          by,
          enforce,
        });
      case 'released':
        return log.info('memory is kept free no longer: released', { router, by: news.by });
      case 'expired':
        return log.info('memory is kept free no longer: the time is over', { router });
    }
  };
}

/** Writes to the log what an operation came to; each model that stayed with its reason. */
export function logOperation(log: Logger): (operation: Operation) => void {
  return ({ id, trigger, caller, reason, outcome, duration_seconds, routers, summary }) => {
    const who = { operation: id, trigger, caller: caller.name, address: caller.address };
    const said = { outcome: outcome ?? undefined, reason: reason || undefined, seconds: duration_seconds };
    const isBad = outcome === 'failed' || outcome === 'partial';
    log[isBad ? 'warn' : 'info']('unload operation', { ...who, ...said, ...summary });
    for (const { router, fault, refused, models } of routers) {
      if (fault) log.warn('not unloaded', { operation: id, router, error: fault.message });
      if (refused)
        log.info('not unloaded', { operation: id, router, refused: refused.reason, why: refused.detail });
      for (const { model, result, detail } of models) {
        if (detail !== undefined)
          log.info('unload', { operation: id, router, model, result: String(result), detail });
      }
    }
  };
}

/** Writes to the log that automatic unloads are stopped because what they unload comes back. */
export function logLoop(log: Logger, clock: Clock): (loop: Loop) => void {
  return ({ router, trigger, models, until }) =>
    log.warn('reload loop: automatic unloads rest, find out who loads these models', {
      router,
      trigger,
      models: models.join(', '),
      until: new Date(clock.wall(until)).toISOString(),
    });
}

function logModel(
  log: Logger,
  usage: Usage,
  router: string,
  model: string,
  change: Extract<Transition, { kind: 'model' }>['change'],
): void {
  switch (change.kind) {
    case 'loaded':
      log.info('model loaded', { router, model, seconds: change.durationSeconds });
      if (change.reload) {
        const { reason, afterSeconds } = change.reload;
        const reload = {
          router,
          model,
          durationSeconds: change.durationSeconds,
          sinceUnloadSeconds: afterSeconds,
        };
        log.info('model was loaded again after an unload', {
          router,
          model,
          reason,
          after_seconds: afterSeconds,
          cause: usage.causeOf(reload),
        });
      }
      return;
    case 'load_failed':
      return log.warn('model failed to load', { router, model });
    case 'unloaded':
      return change.reason === 'crashed'
        ? log.warn('model crashed', { router, model, was: change.from })
        : log.info('model unloaded', { router, model, reason: change.reason, was: change.from });
    case 'slept':
      return log.info('model fell asleep', { router, model });
    case 'woke':
      return log.info('model woke', { router, model });
    case 'status':
      return log.debug('status changed', { router, model, from: change.from, to: change.to });
    case 'appeared':
    case 'vanished':
      return log.debug(`model ${change.kind}`, { router, model });
  }
}
