import type { Config } from '../config/schema.ts';
import { describeEnd, type Hold, onWall } from '../hold/hold.ts';
import type { Clock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import type { RouterState } from '../models/router-state.ts';
import type { Operation } from '../unload/report.ts';
import type { UnloadRequest } from '../unload/request.ts';
import { type IdleRule, idleTooLong } from './candidates.ts';

export interface IdlePolicy {
  intervalMs: number;
  idle: readonly IdleRule[];
  /** How long a model must have been idle for an enforced hold to unload it. */
  holdGraceMs: number;
}

export interface SweeperParts {
  routers(): readonly Readonly<RouterState>[];
  holdOf(router: string): Hold | undefined;
  /** What is never unloaded on a router. */
  keep(router: string): readonly string[];
  rules(): IdlePolicy;
  /** What a request asks for when it does not say. */
  terms(): Pick<UnloadRequest, 'busyTimeoutMs' | 'timeoutMs'>;
  start(request: UnloadRequest): { done: Promise<Operation> };
  clock: Clock;
}

/** Looks for models that nobody uses, and has them unloaded; models that are in use are never waited for. */
export interface IdleScheduler {
  stop(): void;
}

/** What a sweep wants done on one router, and by which rule. */
type Wish = Pick<UnloadRequest, 'reason' | 'selection' | 'enforcesHold'>;

export function startIdleScheduler(parts: SweeperParts): IdleScheduler {
  const { routers, holdOf, keep, rules, terms, start, clock } = parts;
  /** Until when nothing is tried on a router: an operation is under way, or one was refused. */
  const resting = new Map<string, number>();
  let cancel = clock.after(rules().intervalMs, sweep);
  return { stop: () => cancel() };

  function sweep(): void {
    for (const router of routers()) {
      if (router.up && (resting.get(router.name) ?? 0) <= clock.now()) sweepRouter(router);
    }
    cancel = clock.after(rules().intervalMs, sweep);
  }

  function sweepRouter(router: Readonly<RouterState>): void {
    for (const wish of wishesOf(router, holdOf(router.name), keep(router.name), rules(), clock)) {
      resting.set(router.name, Number.POSITIVE_INFINITY);
      const request: UnloadRequest = {
        ...terms(),
        ...wish,
        trigger: 'policy',
        caller: { name: 'policy' },
        routers: [router.name],
        whenBusy: 'skip',
        verify: true,
        dryRun: false,
      };
      void start(request).done.then((operation) => rest(router.name, operation));
    }
  }

  /** After a refusal until it may be tried again, and after a failure for a while: else it would be every time. */
  function rest(router: string, { routers: results, summary }: Operation): void {
    const refused = results.find((result) => result.router === router)?.refused?.retry_after_seconds ?? 0;
    const failed = summary.failed > 0 || results.some(({ fault }) => fault) ? AFTER_FAILURE_MS : 0;
    resting.set(router, clock.now() + Math.max(refused * 1000, failed));
  }
}

const AFTER_FAILURE_MS = 60_000;

/** An enforced hold is for every model; without one, each rule is for those that it is due for. */
function wishesOf(
  router: Readonly<RouterState>,
  hold: Hold | undefined,
  keep: readonly string[],
  { idle, holdGraceMs }: IdlePolicy,
  clock: Clock,
): Wish[] {
  if (hold?.enforce) {
    const reason = `memory is kept free until ${describeEnd(onWall(hold, clock), clock.wall())}`;
    return idleTooLong(router, [{ models: [], afterMs: holdGraceMs }], keep, clock.now()).map(
      ({ models }) => ({
        reason,
        selection: { models, keep: [], idleForMs: holdGraceMs },
        enforcesHold: true,
      }),
    );
  }
  return idleTooLong(router, idle, keep, clock.now()).map(({ rule, models }) => ({
    reason: `idle for ${formatDuration(rule.afterMs / 1000)}`,
    selection: { models, keep: [], idleForMs: rule.afterMs },
  }));
}

/** What is unloaded because nobody uses it. */
export function idlePolicyOf({ policy }: Config): IdlePolicy {
  return {
    intervalMs: policy.interval * 1000,
    idle: policy.idle.map(({ models, after }) => ({ models, afterMs: after * 1000 })),
    holdGraceMs: policy.hold_grace * 1000,
  };
}
