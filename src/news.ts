import type { EngineNews } from './engine/reader.ts';
import { callerBlock } from './http/auth/address.ts';
import type { Refusal } from './http/auth/refusal.ts';
import { createLimiter } from './lib/limiter.ts';
import type { Logger } from './lib/logger.ts';
import type { Transition } from './models/belief.ts';

/** Writes to the log what an operator would want to find there; changes of status alone are for debugging. */
export function logTransitions(log: Logger): (transition: Transition) => void {
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
        return logModel(log, router, transition.model, transition.change);
    }
  };
}

/** Writes to the log how reading the models' own metrics goes, when that changes. */
export function logEngineNews(log: Logger): (news: EngineNews) => void {
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

/** Writes to the log who was refused what: some times a minute for each caller, who could fill the disk otherwise. */
export function logRefusals(log: Logger, now: () => number): (refusal: Refusal) => void {
  const limiter = createLimiter({ most: 10, spanMs: 60_000, keys: 10_000, now });
  return ({ address, method, path, why }) => {
    const block = callerBlock(address);
    if (limiter.waitMs(block) > 0) return;
    limiter.count(block);
    log.warn('request refused', { address, method, path, why });
  };
}

function logModel(
  log: Logger,
  router: string,
  model: string,
  change: Extract<Transition, { kind: 'model' }>['change'],
): void {
  switch (change.kind) {
    case 'loaded':
      log.info('model loaded', { router, model, seconds: change.durationSeconds });
      if (change.reload) {
        const { reason, afterSeconds } = change.reload;
        log.info('model was loaded again after an unload', {
          router,
          model,
          reason,
          after_seconds: afterSeconds,
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
