import { loadConfig } from '../../.build/src/config/load.js';
import { systemClock } from '../../.build/src/lib/clock.js';
import { createLogger } from '../../.build/src/lib/logger.js';
import { startService } from '../../.build/src/service.js';

/**
 * The whole service without routers, listening on a free loopback port. The caller changes the state in its store.
 * @param {() => number} now
 */
export async function startRouterlessService(now = Date.now) {
  const current = {
    ...loadConfig({ env: {}, flags: { 'web.listen-address': '127.0.0.1:0' } }),
    routers: [],
  };
  const log = createLogger({ level: 'info', format: 'logfmt', write: () => true, now });
  return startService({
    config: { current, reload: () => ({ ok: true, value: current }) },
    log,
    version: '0.0.0',
    clock: { ...systemClock, now },
  });
}

/**
 * A model as the router lists it.
 * @param {string} id
 * @param {'unloaded' | 'loaded'} status
 */
export function listed(id, status) {
  return {
    id,
    aliases: [],
    status,
    failed: false,
    facts: {
      source: 'models_dir',
      quantization: 'Q4_K - Medium',
      parameters: 7_615_616_512,
      sizeBytes: 4_677_120_000,
      contextTokens: 32_768,
    },
  };
}

/**
 * @param {string} model
 * @param {'loading' | 'loaded' | 'unloaded'} status
 */
export function statusEvent(model, status) {
  return {
    kind: /** @type {const} */ ('status'),
    name: status === 'loading' ? 'model_status' : 'status_change',
    model,
    status,
    begins: status === 'loading',
    ...(status === 'unloaded' && { exitCode: 0 }),
  };
}
