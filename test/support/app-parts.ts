import { rulesOf } from '../../src/alerts/rules.ts';
import { collectModels } from '../../src/collectors/models.ts';
import { collectRouters } from '../../src/collectors/routers.ts';
import { createScrape } from '../../src/collectors/scrape.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createHolds } from '../../src/hold/holds.ts';
import type { AppParts } from '../../src/http/app.ts';
import { createAuth } from '../../src/http/auth/auth.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { within } from '../../src/lib/within.ts';
import { createUsage } from '../../src/models/usage.ts';
import { createGuards } from '../../src/unload/guards.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import type { UnloadControl } from '../../src/unload/unload-control.ts';
import { defaultTerms } from '../../src/unload/unloading.ts';
import type { Believed } from './fleets.ts';

/** Guards as they are configured by default. */
export const GUARD_RULES = {
  cooldownMs: 60_000,
  windowMs: 600_000,
  loopCount: 3,
  pauseMinMs: 600_000,
  pauseMaxMs: 3_600_000,
};

/** What an app is made of, on what is believed, with a default configuration and without a network. */
export function appParts(
  { store, clock }: Believed,
  { hands = [], ...parts }: Partial<AppParts> & { hands?: readonly UnloadControl[] } = {},
): AppParts & { joins: UnloadRequest[]; ignores: string[] } {
  const config = loadConfig({ env: {}, flags: {} });
  const joins: UnloadRequest[] = [];
  const ignores: string[] = [];
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    () => {},
  );
  return {
    store,
    scrape: createScrape([collectRouters(store, clock), collectModels(store, clock)]),
    telemetryPath: '/metrics',
    operations: createOperations({ hands: () => hands, keep: () => [], guards, clock }),
    terms: () => ({ ...defaultTerms(config), answerWithinMs: config.unload.answer_within * 1000 }),
    joined: (_started, request) => joins.push(request),
    within: (ms, work) => within(ms, work, clock),
    alertRules: () => rulesOf(config.alerts),
    ignored: (_caller, why) => ignores.push(why),
    usage: createUsage(store, clock),
    reported: () => {},
    holds: createHolds(clock),
    holdRules: () => config.hold,
    memory: { reading: () => undefined },
    auth: createAuth({ tokens: () => [], onRefused: () => {}, now: clock.now }),
    isReady: () => true,
    reload: async () => ({}),
    closing: new AbortController().signal,
    log: createLogger({ level: 'debug', format: 'logfmt', write: () => {}, now: () => 0 }),
    version: '1.2.3',
    clock,
    joins,
    ignores,
    ...parts,
  };
}
