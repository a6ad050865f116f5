import { createAlarm } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limit } from '../lib/concurrency-limit.ts';
import { formatDuration } from '../lib/duration.ts';
import type { Mutex } from '../lib/mutex.ts';
import { isRunning } from '../models/status.ts';
import { tooActive } from './plan.ts';
import type { ModelResult } from './report.ts';
import type { Selection, UnloadRequest } from './request.ts';
import type { UnloadControl } from './unload-control.ts';
import { type Gone, watchForEnd } from './watch.ts';

export type ModelTerms = Pick<UnloadRequest, 'whenBusy' | 'busyTimeoutMs' | 'timeoutMs' | 'verify'> & {
  selection: Selection;
};

/** Until when an operation may take its time. */
export interface Patience {
  /** Aborts when no busy model may be waited for any more; its reason says why. */
  busy: AbortSignal;
  /** Aborts when nobody can see models go any more. */
  gone: AbortSignal;
}

export interface Setting {
  clock: Clock;
  /** At most so many processes are ending at once. */
  limit: Limit;
  /** Questions go one after the other, for a router that is asked much at once stalls; orders follow on their heels. */
  askInTurn: Mutex;
  patience: Patience;
  /** Told what is being waited for. */
  onWaiting(why: string): void;
}

/** An answer that has waited longer for the turn of its order is asked for again. */
const FRESH_MS = 25;

/** Between two looks at a busy model: gaps between requests may be short. */
const LOOK_AGAIN_MS = 250;

type Attempt =
  | { kind: 'settled'; result: Omit<ModelResult, 'model'> }
  /** `lasting`: asking again will not help. `unanswered`: nobody knows whether it is. */
  | { kind: 'busy'; why: string; lasting?: boolean; unanswered?: boolean };

/**
 * Unloads one model: when it is idle, or idle in the end, or at once when forced; and resolves when it is
 * verified to be gone, or says why not. Never throws.
 */
export async function unloadModel(
  model: string,
  terms: ModelTerms,
  hands: UnloadControl,
  setting: Setting,
): Promise<ModelResult> {
  const wait = startWait(terms.busyTimeoutMs, setting);
  try {
    for (;;) {
      const attempt = await tryToUnload(model, terms, hands, setting);
      if (attempt.kind === 'settled') return { model, ...attempt.result };
      const { why, lasting = false } = attempt;
      const given = lasting || terms.whenBusy === 'skip' ? '' : wait.over();
      if (given !== undefined) return { model, result: 'busy', detail: `${why}${given}` };
      setting.onWaiting(why);
      await wait.pause();
    }
  } finally {
    wait.end();
  }
}

async function tryToUnload(
  model: string,
  terms: ModelTerms,
  hands: UnloadControl,
  setting: Setting,
): Promise<Attempt> {
  const { state } = hands;
  if (!state.up) return down(hands);
  const { lifecycle } = state.models.get(model) ?? {};
  if (!isRunning(lifecycle?.known))
    return settled({ result: 'already_unloaded', detail: 'it went by itself' });
  const force = terms.whenBusy === 'force';
  if (lifecycle?.status === 'loading' && !force) return { kind: 'busy', why: 'it is still loading' };
  const attempt = await setting.limit(() => order(model, terms, hands, setting));
  if (attempt.kind === 'settled' || !attempt.unanswered) return attempt;
  // The model does not answer, or its router does not: nobody is busy behind a router that is down.
  await hands.refresh();
  return state.up ? attempt : down(hands);
}

function down({ state }: UnloadControl): Attempt {
  return settled({ result: 'failed', detail: state.fault?.message ?? `${state.url} is down` });
}

async function order(
  model: string,
  terms: ModelTerms,
  hands: UnloadControl,
  { clock, patience, askInTurn }: Setting,
): Promise<Attempt> {
  const wasLoading = hands.state.models.get(model)?.lifecycle.status === 'loading';
  // Before the question, for nobody else asks then; and before the order, whose event may arrive before its answer.
  const cancelPending = hands.markUnloadPending(model);
  const look = async () => (terms.whenBusy === 'force' ? undefined : objectionTo(model, terms, hands, clock));
  let objection = await askInTurn(look);
  let sentAt = clock.now();
  const watch = watchForEnd(model, hands, clock, terms.timeoutMs);
  const answer = await hands.exclusive(async () => {
    if (objection === undefined && clock.now() - sentAt > FRESH_MS) objection = await look();
    sentAt = clock.now();
    return objection === undefined ? hands.unload(model) : undefined;
  });
  if (objection || answer === undefined) {
    cancelPending();
    watch.stop();
    return objection ?? settled({ result: 'failed' });
  }
  if (answer.ok && answer.value !== 'accepted') {
    cancelPending();
    watch.stop();
    return answer.value === 'not_running'
      ? settled({ result: 'already_unloaded' })
      : settled({ result: 'failed', detail: 'the router does not know it any more' });
  }
  // Without an answer it may have been done all the same: one look tells.
  if (!answer.ok) await hands.refresh();
  if (!answer.ok || !terms.verify || patience.gone.aborted) watch.stop();
  patience.gone.addEventListener('abort', watch.stop);
  const gone = await watch.gone;
  patience.gone.removeEventListener('abort', watch.stop);
  const seconds = Math.max(0, clock.now() - sentAt) / 1000;
  if (gone) return settled(howItEnded(gone, wasLoading, seconds));
  if (!answer.ok) {
    cancelPending();
    return settled({ result: 'failed', detail: answer.fault.message });
  }
  if (!terms.verify) return settled({ result: 'asked' });
  return settled({ result: 'timeout', seconds, detail: whyTimedOut(hands, terms, patience) });
}

/** Why a model should not go at this very moment. Asks it, unless it sleeps: that would wake it. */
async function objectionTo(
  model: string,
  { selection }: ModelTerms,
  { state, probe }: UnloadControl,
  clock: Clock,
): Promise<Attempt | undefined> {
  if (state.models.get(model)?.lifecycle.status !== 'sleeping') {
    const doing = await probe(model);
    if (doing.kind === 'busy') return { kind: 'busy', why: 'it is generating' };
    if (doing.kind === 'unknown') {
      return { kind: 'busy', why: doing.why, lasting: doing.lasting, unanswered: !doing.lasting };
    }
    if (doing.kind === 'gone') return settled({ result: 'already_unloaded', detail: 'it went by itself' });
  }
  const believed = state.models.get(model);
  const active = believed && tooActive(believed, selection, clock.now());
  return active === undefined ? undefined : settled({ result: 'kept', detail: active });
}

function howItEnded(gone: NonNullable<Gone>, wasLoading: boolean, seconds: number) {
  return gone === 'marked failed' && !wasLoading
    ? { result: 'forced' as const, seconds, detail: 'it did not stop by itself and was killed' }
    : { result: 'unloaded' as const, seconds };
}

function whyTimedOut({ state }: UnloadControl, { timeoutMs }: ModelTerms, { gone }: Patience): string {
  if (gone.aborted) return `the router accepted, but ${String(gone.reason)}`;
  if (state.fault) return `the router accepted, and then could not be asked: ${state.fault.message}`;
  return `the router accepted, but it was still there after ${timeoutMs / 1000} s`;
}

function settled(result: Omit<ModelResult, 'model'>): Attempt {
  return { kind: 'settled', result };
}

/** The time that a busy model is given. `over` says why it is up, as the end of a sentence; undefined: it is not. */
function startWait(timeoutMs: number, { clock, patience: { busy } }: Setting) {
  const alarm = createAlarm(clock);
  let expired = false;
  const cancel = clock.after(timeoutMs, () => {
    expired = true;
    alarm.ring();
  });
  busy.addEventListener('abort', alarm.ring);
  return {
    pause: () => alarm.sleep(LOOK_AGAIN_MS),
    over(): string | undefined {
      if (busy.aborted) return `, and ${String(busy.reason)}`;
      return expired ? `, still after ${formatDuration(timeoutMs / 1000)}` : undefined;
    },
    end() {
      cancel();
      busy.removeEventListener('abort', alarm.ring);
    },
  };
}
