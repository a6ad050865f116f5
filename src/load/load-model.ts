import type { LoadAnswer } from '../backends/backend.ts';
import type { RouterControl } from '../fleet/fleet.ts';
import { pause } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import { isFull } from '../models/eviction.ts';
import { modelNamed } from '../models/router-state.ts';
import { whyNoLoad } from '../models/server-traits.ts';
import { type OnProgress, type RouterRun, settle } from '../unload/operation.ts';
import type { Refusal, Settled } from '../unload/report.ts';
import type { LoadRequest } from '../unload/request.ts';
import { decideLoad, evictable, sparesBusyModels } from './plan.ts';
import { type WatchedLoad, watchLoad } from './watch-load.ts';

/** What the starter of a load decides and learns while it runs. */
export interface LoadSteps {
  /** Called directly before the order of each model: why it is skipped, undefined to load it. */
  mayStart?: (model: string, router: string) => Promise<string | undefined>;
  /** The router has accepted the order. */
  onOrdered?: (model: string, router: string) => void;
  /** Ends the load early: models without an order are skipped, with the reason of the signal. */
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

/** The part of a load on one router. */
export interface LoadRun extends RouterRun {
  request: LoadRequest;
  /** As requested. */
  models: readonly string[];
  steps: LoadSteps;
  /** Why the router is not loaded on now: a hold stands on it. */
  held: () => Refusal | undefined;
  clock: Clock;
}

/** Between two attempts on a full router. */
const RETRY_MS = 1000;

/** Why a model cannot be loaded at this moment. */
interface Waiting {
  waiting: string;
}

/** Loads one model and waits until it is loaded. Never throws. */
export async function loadModel(run: LoadRun, model: string): Promise<Settled> {
  const { clock, request } = run;
  const { signal } = run.stopWaiting;
  const deadline = clock.now() + request.timeoutMs;
  for (;;) {
    if (signal.aborted) return { result: 'skipped', detail: String(signal.reason) };
    const attempt = await tryToLoad(run, model, deadline);
    if ('result' in attempt) return attempt;
    if (clock.now() >= deadline) {
      const waited = formatDuration(request.timeoutMs / 1000);
      return { result: 'failed', detail: `${attempt.waiting}, still after ${waited}` };
    }
    settle(run, { model, result: null, detail: attempt.waiting });
    await pause(Math.min(RETRY_MS, deadline - clock.now()), clock, signal);
  }
}

async function tryToLoad(run: LoadRun, model: string, deadline: number): Promise<Settled | Waiting> {
  const { control } = run;
  const { state } = control;
  if (!state.up) return { result: 'failed', detail: state.fault?.message ?? `${state.url} is down` };
  const decision = decideLoad(state, model);
  if ('result' in decision) return decision;
  switch (decision.kind) {
    case 'wait':
      return { waiting: decision.why };
    case 'under_way': {
      const { end } = watchLoad(run, model, deadline);
      return resultOf(run, await end, undefined);
    }
    case 'load':
      return orderLoad(run, model, deadline);
  }
}

/** A load order that was sent at `sentAt`, in monotonic milliseconds. */
interface LoadOrder {
  sentAt: number;
  answer: Awaited<ReturnType<RouterControl['load']>>;
  watch: ReturnType<typeof watchLoad>;
}

async function orderLoad(run: LoadRun, model: string, deadline: number): Promise<Settled | Waiting> {
  const { control, request, clock, steps } = run;
  const router = control.state.name;
  const order = await control.exclusive(async (): Promise<LoadOrder | Settled | Waiting> => {
    const objection = await objectionTo(run);
    if (objection) return objection;
    const skipped = run.held()?.detail ?? (await steps.mayStart?.(model, router));
    if (skipped !== undefined) return { result: 'skipped', detail: skipped };
    // Before the order, because its event may arrive before its answer.
    const watch = watchLoad(run, model, deadline);
    const sentAt = clock.now();
    const answer = await control.load(model, request.trigger === 'restore' ? 'restore' : 'load');
    if (answer.ok && answer.value === 'accepted') steps.onOrdered?.(model, router);
    return { sentAt, answer, watch };
  });
  if (!('watch' in order)) return order;
  const { answer, watch, sentAt } = order;
  const refused = answer.ok ? refusalOf(run, answer.value) : await unanswered(run, model, answer.fault);
  if (refused) {
    watch.stop();
    return refused;
  }
  if (answer.ok) watch.accepted();
  const isOurs = !answer.ok || answer.value === 'accepted';
  return resultOf(run, await watch.end, isOurs ? sentAt : undefined);
}

/** Why nothing may be evicted now. Only builds that may interrupt a busy model need the probes. */
async function objectionTo({ control }: LoadRun): Promise<Waiting | undefined> {
  const { state, probe } = control;
  if (!isFull(state) || sparesBusyModels(state)) return undefined;
  for (const { id, lifecycle } of evictable(state)) {
    if (lifecycle.status === 'sleeping') continue;
    const activity = await probe(id);
    const full = `the router is full (--models-max ${state.props.modelsMax}), and may evict ${id}`;
    if (activity.kind === 'busy') return { waiting: `${full}, which is generating` };
    if (activity.kind === 'unknown') return { waiting: `${full}, ${activity.why}` };
  }
  return undefined;
}

/** What an answer means that is no acceptance; undefined when the load is under way. */
function refusalOf({ control: { state } }: LoadRun, answer: LoadAnswer): Settled | Waiting | undefined {
  switch (answer) {
    case 'accepted':
    case 'already_running':
      return undefined;
    case 'full':
      return { waiting: `the router is full (--models-max ${state.props.modelsMax ?? 'reached'})` };
    case 'unknown_model':
      return { result: 'failed', detail: 'the server no longer knows it' };
    case 'unsupported':
      return { result: 'failed', detail: whyNoLoad(state) };
  }
}

/** Without an answer, the order may have been carried out all the same: on a full router the answer waits for an eviction. */
async function unanswered(
  { control }: LoadRun,
  model: string,
  { kind, message }: { kind: string; message: string },
): Promise<Settled | undefined> {
  await control.refresh();
  const isUnderWay = modelNamed(control.state.models, model)?.lifecycle.status !== 'unloaded';
  return kind === 'timeout' || (control.state.up && isUnderWay)
    ? undefined
    : { result: 'failed', detail: message };
}

/** The result of a load that we ordered at `sentAt`, or that was under way already. */
function resultOf(
  run: LoadRun,
  { how, evicted, exitCode }: WatchedLoad,
  sentAt: number | undefined,
): Settled {
  const { control, request, clock } = run;
  const { signal } = run.stopWaiting;
  const begun = sentAt === undefined ? 'it was loading already' : 'the server accepted the order';
  switch (how) {
    case 'loaded': {
      if (sentAt === undefined) return { result: 'already_loaded', detail: 'it was loading already' };
      const loaded: Settled = { result: 'loaded', seconds: Math.max(0, clock.now() - sentAt) / 1000 };
      if (evicted.length > 0) loaded.detail = `the router evicted ${evicted.join(', ')} for it`;
      return loaded;
    }
    case 'failed': {
      const code = exitCode === undefined ? '' : ` with code ${exitCode}`;
      const detail = `its process ended${code} while it was loading: the log of ${control.state.traits.kind} says why`;
      return { result: 'failed', detail };
    }
    case 'unloaded':
      return { result: 'failed', detail: `${begun}, but it was unloaded meanwhile` };
    case 'unreachable':
      return { result: 'failed', detail: `${begun}, but then: ${control.state.fault?.message}` };
    case 'timeout': {
      const limit = formatDuration(request.timeoutMs / 1000);
      const why = signal.aborted ? String(signal.reason) : `it was still loading after ${limit}`;
      return { result: 'timeout', detail: `${begun}, but ${why}` };
    }
  }
}
