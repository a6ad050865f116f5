import { isRunning } from '../models/feed.ts';
import { type ModelState, type RouterState, unreadReason } from '../models/router-state.ts';

/** A model that was read at `triedAt` (monotonic milliseconds); `request` while that is under way. */
interface Tried {
  triedAt: number;
  hasNone?: boolean;
  request?: unknown;
}

/** Which model to read now, or how long to wait. */
export type NextRead = { model: string } | { waitMs: number };

/**
 * A process that is answering a request when its router orders it to exit misses the order, and is killed 10 s later (see
 * docs/router.md). The order comes without announcement, and mostly soon after a load, or while a full router loads.
 */
const QUIET_MS = 3000;

/** A load that takes longer may be stuck: it does not stop the reads of others for ever. */
const LOADING_MS = 60_000;

/** Until the router's build is known. */
const UNKNOWN_BUILD_MS = 1000;

/** From when on the model's own metrics may be read; undefined as long as nothing changes. `quiet`: see quietFrom. */
function readableFrom(router: RouterState, model: ModelState, quiet: number): number | undefined {
  const { status, since, unloadRequestedAt } = model.lifecycle;
  if (!router.up || status !== 'loaded' || unloadRequestedAt !== undefined) return undefined;
  if (unreadReason(router, model) !== undefined) return undefined;
  const settled = since === undefined ? Number.NEGATIVE_INFINITY : since + QUIET_MS;
  return Math.max(settled, quiet);
}

/** From when on no model of a full router has come or gone for a while. A router that does not tell its limit may be full. */
function quietFrom({ props: { modelsMax }, models }: RouterState, now: number): number {
  let quiet = Number.NEGATIVE_INFINITY;
  let places = 0;
  for (const { lifecycle } of models.values()) {
    const { status, since = Number.NEGATIVE_INFINITY } = lifecycle;
    const until = since + (status === 'loading' ? LOADING_MS : QUIET_MS);
    const isUnloaded = status === 'unloaded' || status === 'downloading';
    if (!isUnloaded || until > now) places += 1;
    if (status !== 'sleeping') quiet = Math.max(quiet, until);
  }
  const isFull = modelsMax === undefined || (modelsMax > 0 && places >= modelsMax);
  return isFull ? quiet : Number.NEGATIVE_INFINITY;
}

/** The models in memory with an idle timer that a read restarts, or may restart. */
export function idleTimersIn({ buildClass, engineMetrics, models }: RouterState): string[] {
  if (buildClass === 'reads_exempt') return [];
  const careful = { buildClass, engineMetrics, readMode: 'auto' } as const;
  const timed = [...models.values()].filter((model) => unreadReason(careful, model) === 'idle_timer');
  // The arguments of a process may not be listed yet while it loads.
  const listed = timed.filter(({ lifecycle: { status } }) => isRunning(status) && status !== 'loading');
  return listed.map(({ id }) => id);
}

/**
 * Plans the reads of one router so that each model is read once per interval, and the models evenly spread over it: a model
 * that was never read at once, otherwise the one whose last read is the oldest. `pacedAt` is the time of the last read of
 * the second kind.
 */
export function nextRead(
  router: RouterState,
  tried: ReadonlyMap<string, Tried>,
  pacedAt: number,
  { now, intervalMs }: { now: number; intervalMs: number },
): NextRead {
  let waitMs = router.buildClass === 'unknown' ? Math.min(UNKNOWN_BUILD_MS, intervalMs) : intervalMs;
  let readable = 0;
  let oldest: { model: string; triedAt: number } | undefined;
  const quiet = quietFrom(router, now);
  for (const model of router.models.values()) {
    const from = readableFrom(router, model, quiet);
    if (from === undefined) continue;
    if (from > now) {
      waitMs = Math.min(waitMs, from - now);
      continue;
    }
    const earlier = tried.get(model.id);
    if (earlier === undefined) return { model: model.id };
    if (earlier.request !== undefined || earlier.hasNone) continue;
    readable += 1;
    if (earlier.triedAt < (oldest?.triedAt ?? Number.POSITIVE_INFINITY)) {
      oldest = { model: model.id, triedAt: earlier.triedAt };
    }
  }
  if (oldest === undefined) return { waitMs };
  const untilDue = Math.max(pacedAt, oldest.triedAt) + intervalMs / readable - now;
  return untilDue <= 0 ? { model: oldest.model } : { waitMs: Math.min(waitMs, untilDue) };
}
