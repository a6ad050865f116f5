import type { HoldView } from '../http/view-schemas.ts';
import type { Clock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import type { Operation } from '../unload/report.ts';
import { type HoldBody, type RemoteHolds, untilPrepared } from './remote-exporter.ts';

export interface KeptHoldTerms {
  /** The hold outlives this program by this time at most. */
  ttlMs: number;
  /** It is not kept for longer than this. */
  longestMs?: number | undefined;
  clock: Clock;
  /** Prints a line for people. */
  say(line: string): void;
  /** Receives the operation that frees memory, as it is now. */
  onProgress(operation: Operation): void;
}

/** Memory that is kept free while a command runs. */
export interface KeptHold {
  /** Resolves when memory is free, or to why it could not be freed. Rejects as the functions of `RemoteHolds`. */
  ready: Promise<string | undefined>;
  /** Ends the hold. Never rejects. */
  release(): Promise<void>;
}

/** Renewals per ttl: the exporter may miss two of them. */
const RENEWALS = 3;

/** Places a hold and renews it until it is released. */
export function keepHold(api: RemoteHolds, body: HoldBody, terms: KeptHoldTerms): KeptHold {
  const { clock, say, ttlMs, longestMs } = terms;
  const endsAt = longestMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + longestMs;
  let expiresAt = 0;
  let isReady = false;
  let isReleased = false;
  let isUnreachable = false;
  let cancelTimer = () => {};
  let placed = place(body);
  return { ready: prepare(), release };

  async function place(wanted: HoldBody): Promise<HoldView> {
    const now = clock.now();
    const grantMs = Math.min(ttlMs, endsAt - now);
    const hold = await api.place({ ...wanted, ttl_seconds: grantMs / 1000 });
    expiresAt = now + grantMs;
    return hold;
  }

  async function prepare(): Promise<string | undefined> {
    const hold = await placed;
    renewLater();
    const { state, why } = await untilPrepared(api, hold, Number.POSITIVE_INFINITY, terms.onProgress, clock);
    isReady = state === 'active';
    if (!isReady) cancelTimer();
    if (state === 'failed') return why ?? 'the exporter does not say why';
    return isReady ? undefined : 'the hold was released';
  }

  function renewLater(): void {
    if (isReleased) return;
    const wait = expiresAt < endsAt ? ttlMs / RENEWALS : endsAt - clock.now();
    cancelTimer = clock.after(wait, () => void renew());
  }

  async function renew(): Promise<void> {
    if (clock.now() >= endsAt) return say('the hold ends now (--for): clients may load models');
    try {
      await renewOnce();
      isUnreachable = false;
    } catch (error) {
      if (isReleased) return;
      if (!isUnreachable) say(`the hold could not be renewed, ${describeFault(error)}`);
      isUnreachable = true;
      renewLater();
    }
  }

  async function renewOnce(): Promise<void> {
    const { id } = await placed;
    const now = clock.now();
    const grantMs = Math.min(ttlMs, endsAt - now);
    const renewal = await api.renew(id, grantMs / 1000);
    if (renewal === 'renewed') {
      expiresAt = now + grantMs;
      return renewLater();
    }
    if (isReleased || !isReady) return;
    if (renewal === 'ended' && now < expiresAt) return say('the hold was released: clients may load models');
    await placeAgain();
  }

  /**
   * The exporter was restarted without a state file or could not be reached for too long, or this process was stopped.
   * The command has its memory already: nothing is unloaded for it again.
   */
  async function placeAgain(): Promise<void> {
    const lost = placed;
    placed = place({ ...body, need_bytes: undefined, unload: 'none' });
    try {
      await placed;
    } catch (error) {
      placed = lost;
      throw error;
    }
    if (isReleased) return;
    say('the hold was lost and has been placed again: clients may have loaded models in between');
    renewLater();
  }

  async function release(): Promise<void> {
    isReleased = true;
    cancelTimer();
    try {
      const { id } = await placed;
      await api.release(id);
    } catch (error) {
      // Without a hold there is nothing to release, and `ready` reports why there is none.
      if (expiresAt > 0) say(`the hold could not be released, ${describeFault(error)}`);
    }
  }

  function describeFault(error: unknown): string {
    const left = Math.max(0, expiresAt - clock.now()) / 1000;
    return `and ends in ${formatDuration(left)}: ${(error as Error).message}`;
  }
}
