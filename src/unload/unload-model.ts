import type { RouterControl } from '../fleet/fleet.ts';
import { pause } from '../lib/alarm.ts';
import type { Limit } from '../lib/concurrency.ts';
import { formatDuration } from '../lib/duration.ts';
import { isRunning } from '../models/feed.ts';
import { settle, type UnloadRun } from './operation.ts';
import { tooActive } from './plan.ts';
import type { ModelResult, Settled } from './report.ts';
import type { Selection } from './request.ts';
import { watch } from './watch.ts';

/** One model that an operation unloads on a router. */
export interface ModelRun {
  run: UnloadRun;
  model: string;
  /** What the model must still meet when it is unloaded. */
  selection: Selection;
  /** How many unloads may be under way on the router. */
  limit: Limit;
}

/** Between two probes of a busy model: the gaps between its requests may be short. */
const RETRY_MS = 250;

/** The event usually shows the end; the model is looked up in a new listing each time none came for this long. */
const REFRESH_MS = 1000;

/** Why a model is not unloaded now. */
interface Busy {
  busy: string;
  /** The model did not answer. */
  unanswered?: boolean;
}

/** Unloads one model and waits until it is gone; a busy model first gets time to become idle. Never throws. */
export async function unloadModel(modelRun: ModelRun): Promise<ModelResult> {
  const { run, model } = modelRun;
  const { clock } = run;
  const { whenBusy, busyTimeoutMs } = run.request;
  const { signal } = run.stopWaiting;
  const deadline = clock.now() + busyTimeoutMs;
  for (;;) {
    const attempt = await tryToUnload(modelRun);
    if ('result' in attempt) return { model, ...attempt };
    const { busy } = attempt;
    if (whenBusy === 'skip') return { model, result: 'busy', detail: busy };
    if (signal.aborted) return { model, result: 'busy', detail: `${busy}; ${signal.reason}` };
    if (clock.now() >= deadline) {
      const wayOut = busy === LOADING ? '. If the load is stuck, end it with --when-busy force' : '';
      const waited = formatDuration(busyTimeoutMs / 1000);
      return { model, result: 'busy', detail: `${busy}, still after ${waited}${wayOut}` };
    }
    settle(run, { model, result: null, detail: busy });
    await pause(Math.min(RETRY_MS, deadline - clock.now()), clock, signal);
  }
}

async function tryToUnload(modelRun: ModelRun): Promise<Settled | Busy> {
  const { run, model, limit } = modelRun;
  const { control, request } = run;
  const { state } = control;
  if (run.cancelled !== undefined) return { result: 'kept', detail: run.cancelled };
  if (!state.up) return routerDown(state);
  const lifecycle = state.models.get(model)?.lifecycle;
  if (!isRunning(lifecycle?.known)) return STOPPED_BY_ITSELF;
  if (lifecycle?.status === 'loading' && request.whenBusy !== 'force') return { busy: LOADING };
  if (lifecycle?.status === 'unloading') return { busy: UNLOADING };
  const attempt = await limit(() => orderUnload(modelRun));
  if ('result' in attempt || !attempt.unanswered) return attempt;
  // The model does not answer, or its router is down.
  await control.refresh();
  return state.up ? attempt : routerDown(state);
}

const LOADING = 'it is still loading';

const UNLOADING = 'it is being unloaded by another client';

const STOPPED_BY_ITSELF: Settled = { result: 'already_unloaded', detail: 'it stopped by itself' };

function routerDown({ fault, url }: RouterControl['state']): Settled {
  return { result: 'failed', detail: fault?.message ?? `${url} is down` };
}

/** An unload order that was sent at `sentAt`, in monotonic milliseconds. */
interface Order {
  sentAt: number;
  answer: Awaited<ReturnType<RouterControl['unload']>>;
  watch: ReturnType<typeof watchForEnd>;
}

/** Probes the model, orders its unload unless it is busy, and waits until it is gone. */
async function orderUnload(modelRun: ModelRun): Promise<Settled | Busy> {
  const { run, model } = modelRun;
  const { control, request, clock } = run;
  await run.beforeOrder?.(control, model);
  const wasLoading = control.state.models.get(model)?.lifecycle.status === 'loading';
  // Before the probe, so that the engine reader leaves the model alone from now on.
  const cancelPending = control.markUnloadPending(model);
  const order = await control.exclusive(async (): Promise<Order | Settled | Busy> => {
    const objection = request.whenBusy === 'force' ? undefined : await objectionTo(modelRun);
    if (objection) return objection;
    // Before the order, because its event may arrive before its answer.
    const watch = watchForEnd(modelRun);
    return { sentAt: clock.now(), answer: await control.unload(model), watch };
  });
  const attempt = 'watch' in order ? await resultOf(run, order, wasLoading) : order;
  const isOurs = 'result' in attempt && ['unloaded', 'forced', 'asked', 'timeout'].includes(attempt.result);
  if (!isOurs) cancelPending();
  return attempt;
}

async function resultOf(
  run: UnloadRun,
  { sentAt, answer, watch }: Order,
  wasLoading: boolean,
): Promise<Settled> {
  const { control, request, clock, stopWatching } = run;
  // Without an answer the order may have been carried out all the same, and a server that says so may err: a listing shows it.
  if (!answer.ok || answer.value === 'gone') await control.refresh();
  const accepted = answer.ok && (answer.value === 'accepted' || answer.value === 'gone');
  if (!accepted || !request.verify || stopWatching.aborted) watch.stop();
  const end = await watch.end;
  if (answer.ok && answer.value === 'not_running') return { result: 'already_unloaded' };
  if (answer.ok && answer.value === 'unsupported') return unsupported(run);
  if (answer.ok && !accepted) return { result: 'failed', detail: 'the server no longer knows it' };
  const seconds = Math.max(0, clock.now() - sentAt) / 1000;
  if (end === 'killed' && !wasLoading) {
    return { result: 'forced', seconds, detail: 'it did not stop by itself and was killed' };
  }
  if (end) return { result: 'unloaded', seconds };
  if (!answer.ok) return { result: 'failed', detail: answer.fault.message };
  if (!request.verify) return { result: 'asked' };
  const { fault } = control.state;
  const happened = stopWatching.aborted
    ? stopWatching.reason
    : fault
      ? `then became unreachable: ${fault.message}`
      : `the model was still running after ${request.timeoutMs / 1000} s`;
  return { result: 'timeout', seconds, detail: `the server accepted the order, but ${happened}` };
}

/** The server has no such order, so no other model of it is waited for. */
function unsupported({ control: { state }, stopWaiting }: UnloadRun): Settled {
  const { fact, remedy } = state.traits.remedies.noUnload;
  const why = `${state.url} ${fact}`;
  stopWaiting.abort(why);
  return { result: 'failed', detail: `${why}: ${remedy}` };
}

/** Why the model must not be unloaded at this moment. A sleeping model is not probed: that would wake it. */
async function objectionTo(modelRun: ModelRun): Promise<Settled | Busy | undefined> {
  const { run, model, selection } = modelRun;
  const { state, probe } = run.control;
  if (state.models.get(model)?.lifecycle.status !== 'sleeping') {
    const activity = await probe(model);
    if (activity.kind === 'busy') return { busy: 'it is generating' };
    if (activity.kind === 'gone') return STOPPED_BY_ITSELF;
    if (activity.kind === 'unknown') {
      // Asking again will not help where it is lasting.
      return activity.lasting
        ? { result: 'failed', detail: activity.why }
        : { busy: activity.why, unanswered: true };
    }
  }
  // The probe may have shown recent activity.
  const current = state.models.get(model);
  const active = current && tooActive(current, selection, run.clock.now());
  return active === undefined ? undefined : { result: 'kept', detail: active };
}

/** `killed`: the router marked it as failed. */
type End = 'killed' | 'stopped';

/** Waits at most `timeoutMs` for the end of the model. */
function watchForEnd({ run, model }: ModelRun) {
  const { control, request, clock, stopWatching } = run;
  const { state, refresh } = control;
  const howItEnded = (): End => (state.models.get(model)?.lifecycle.markedFailed ? 'killed' : 'stopped');
  return watch<End>({
    control,
    clock,
    signal: stopWatching,
    longestMs: request.timeoutMs,
    everyMs: REFRESH_MS,
    observe({ model: changed, change: { kind } }) {
      // Reads the state now: the model may be loaded again at once.
      return changed === model && (kind === 'unloaded' || kind === 'vanished') ? howItEnded() : undefined;
    },
    async look() {
      await refresh();
      return state.up && !isRunning(state.models.get(model)?.lifecycle.known) ? howItEnded() : undefined;
    },
  });
}
