import type { Config } from '../config/schema.ts';
import { describeEnd, lastToEnd, onWall } from '../hold/hold.ts';
import type { Holds } from '../hold/holds.ts';
import type { Clock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import { idleSince, matchesModel, type RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { Operations } from '../unload/operations.ts';
import type { Operation } from '../unload/report.ts';
import type { UnloadRequest } from '../unload/request.ts';
import { defaultTerms } from '../unload/request.ts';

/** A rule of `policy.idle`: globs on ids and aliases, empty for every model, and an idle time in seconds. */
export type IdleRule = Config['policy']['idle'][number];

interface IdleSchedulerParts {
  store: Pick<Store, 'routers'>;
  holds: Pick<Holds, 'on'>;
  operations: Pick<Operations, 'start'>;
  /** The models of a router that are never unloaded. */
  keep(router: string): readonly string[];
  config(): Config;
  clock: Clock;
}

/** What the scheduler decides about a request; the rest is the same for all. */
type IdleUnload = Pick<UnloadRequest, 'reason' | 'selection' | 'enforcesHold'>;

/** Pause of a router after an unload failed there. */
const FAILURE_PAUSE_MS = 60_000;

/** Unloads idle models at every interval of the idle policy, and during enforced holds. Never waits for busy models. */
export function startIdleScheduler(parts: IdleSchedulerParts): { stop(): void } {
  const { store, operations, config, clock } = parts;
  /** When a router is looked at again, after a refusal or a failure; infinite while an operation runs. */
  const pausedUntil = new Map<string, number>();
  let cancelTimer = schedule();
  return { stop: () => cancelTimer() };

  function schedule() {
    return clock.after(config().policy.interval * 1000, run);
  }

  function run(): void {
    const routers = new Map(store.routers().map((router) => [router.name, router]));
    for (const name of pausedUntil.keys()) if (!routers.has(name)) pausedUntil.delete(name);
    for (const [name, router] of routers) {
      if (router.up && (pausedUntil.get(name) ?? 0) <= clock.now()) void unloadIdle(router);
    }
    cancelTimer = schedule();
  }

  async function unloadIdle(router: Readonly<RouterState>): Promise<void> {
    const unloads = idleUnloads(router, parts);
    if (unloads.length === 0) return;
    pausedUntil.set(router.name, Number.POSITIVE_INFINITY);
    const pauses = unloads.map(async (unload) => {
      const operation = await operations.start(requestOf(unload, router.name, config())).done;
      return clock.now() + pauseAfter(operation);
    });
    pausedUntil.set(router.name, Math.max(...(await Promise.all(pauses))));
  }
}

/** An enforced hold applies to all models and replaces the rules. */
function idleUnloads(router: Readonly<RouterState>, parts: IdleSchedulerParts): IdleUnload[] {
  const { holds, keep, config, clock } = parts;
  const { idle, hold_grace } = config().policy;
  const enforced = lastToEnd(holds.on(router.name).filter(({ enforce }) => enforce));
  const rules: readonly IdleRule[] = enforced ? [{ models: [], after: hold_grace }] : idle;
  return findCandidates(router, rules, keep(router.name), clock.now()).map(({ rule, models }) => ({
    reason: enforced
      ? `enforces the hold until ${describeEnd(onWall(enforced, clock), clock.wall())}`
      : `idle for ${formatDuration(rule.after)}`,
    selection: { models, keep: [], idleForMs: rule.after * 1000 },
    enforcesHold: enforced !== undefined,
  }));
}

function requestOf(unload: IdleUnload, router: string, config: Config): UnloadRequest {
  return {
    ...defaultTerms(config),
    ...unload,
    trigger: 'policy',
    caller: { name: 'policy' },
    routers: [router],
    whenBusy: 'skip',
  };
}

/** Milliseconds. Without a pause, a refused or failing unload would be tried again at every interval. */
function pauseAfter({ routers, summary }: Operation): number {
  const refusals = routers.map(({ refused }) => refused?.retry_after_seconds ?? 0);
  const hasFailed = summary.failed > 0 || routers.some(({ fault }) => fault);
  return Math.max(0, ...refusals.map((seconds) => seconds * 1000), hasFailed ? FAILURE_PAUSE_MS : 0);
}

/** The models of a router that have been idle for too long, by rule. The first rule that matches a model applies; `keep` wins. */
export function findCandidates(
  router: Pick<RouterState, 'models'>,
  rules: readonly IdleRule[],
  keep: readonly string[],
  now: number,
): { rule: IdleRule; models: string[] }[] {
  if (rules.length === 0) return [];
  const candidates = new Map<IdleRule, string[]>();
  for (const model of router.models.values()) {
    const since = idleSince(model);
    const rule = rules.find(({ models }) => models.length === 0 || matchesModel(models, model));
    if (rule === undefined || since === undefined || matchesModel(keep, model)) continue;
    if (now - since < rule.after * 1000) continue;
    candidates.set(rule, [...(candidates.get(rule) ?? []), model.id]);
  }
  return [...candidates].map(([rule, models]) => ({ rule, models }));
}
