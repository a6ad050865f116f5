import type { ProcessAfterGap } from './after-gap.ts';
import type { Eviction } from './eviction.ts';
import type { ListedModel, Status, StatusEvent } from './feed.ts';
import type { ModelState, UnloadReason } from './router-state.ts';

/** One observation of a model: an event of the stream, or its row in a listing. */
export type Observation = { status: Status } & (
  | ({
      via: 'event';
      /** An unload may be an eviction: all `--models-max` places were taken, or the server evicts by other rules. */
      mayEvict?: boolean;
      /** After a gap in the event stream. */
      process?: ProcessAfterGap | undefined;
      /** The reason of a clean end that is no eviction. Default: external. */
      otherwise?: UnloadReason | undefined;
    } & Partial<Pick<StatusEvent, 'begins' | 'exitCode' | 'ending' | 'progress'>>)
  | ({
      via: 'listing';
      /** Whether models that were unloaded since the last listing were evicted. Default: impossible. */
      eviction?: Eviction;
      /** The router kills every process that it unloads. */
      killsAtOnce?: boolean;
    } & Partial<Pick<ListedModel, 'failed' | 'exitCode' | 'instance' | 'hasLoaded'>>)
);

export type ProcessExit = 'clean' | 'killed' | 'failed' | 'unseen' | 'unknown';

/**
 * How the process exited. Code 1 is that of a process that a signal killed, the router's or another's; with any other, it
 * failed by itself. A listing shows only bad exits; without one, a known port shows that the exit was clean. Port 0 is that
 * of a model that the router never started: its exit was not listed, even if some builds list a code.
 */
export function exitOf(observation: Observation): ProcessExit {
  const { exitCode } = observation;
  if (observation.via === 'event' && observation.ending) return observation.ending;
  if (observation.via === 'listing' && (!observation.failed || observation.instance === 0)) {
    return observation.instance ? 'clean' : 'unknown';
  }
  if (observation.via === 'event' && !exitCode) return exitCode === 0 ? 'clean' : 'unknown';
  return exitCode === undefined || exitCode === 1 ? 'killed' : 'failed';
}

/** The reason of an end that this exporter did not request, unless it is an eviction that the next event shows. */
export function observedReason(exit: ProcessExit, observation: Observation): UnloadReason {
  if (exit === 'failed') return 'crashed';
  if (exit === 'unseen') return 'unknown';
  const killed = exit === 'killed';
  if (observation.via === 'event') return killed ? 'crashed' : (observation.otherwise ?? 'external');
  const { eviction = 'impossible', killsAtOnce } = observation;
  // A process that the router killed exits like one that crashed.
  if (killed && killsAtOnce) return eviction === 'likely' ? 'evicted' : 'unknown';
  if (killed) return eviction === 'impossible' ? 'crashed' : 'unknown';
  return ({ impossible: 'external', possible: 'unknown', likely: 'evicted' } as const)[eviction];
}

/** The clocks of both ends, and the delay of events. */
const TTL_SLACK_MS = 500;

/**
 * Why a model has ended, if nothing was evicted: only one that was seen idle for its whole time to live has expired. Where it
 * is unknown since when it was idle, the reason is too.
 */
export function reasonOfCleanEnd(
  { lifecycle, activity, ttlSeconds = 0 }: ModelState,
  at: number,
): UnloadReason {
  if (ttlSeconds === 0 || activity?.busy) return 'external';
  if (activity?.lastAt === undefined) return 'unknown';
  const orderedAt = lifecycle.status === 'unloading' ? (lifecycle.since ?? at) : at;
  return orderedAt - activity.lastAt >= ttlSeconds * 1000 - TTL_SLACK_MS ? 'expired' : 'external';
}
