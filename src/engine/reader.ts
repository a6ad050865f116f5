import type { Backend, EngineMetrics } from '../backends/backend.ts';
import { type Alarm, createAlarm } from '../lib/alarm.ts';
import { within } from '../lib/clock.ts';
import type { Samples } from '../metrics/exposition.ts';
import type { RouterAnswer } from '../models/feed.ts';
import { setActivity } from '../models/observations.ts';
import type { RouterState, Transition } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { recordMetrics } from './activity.ts';
import { idleTimersIn, type NextRead, nextRead } from './reading-plan.ts';

/** The last reading of one model's own metrics. */
export interface EngineReading {
  model: string;
  /** Whether the last attempt succeeded. */
  succeeded: boolean;
  /** The last successful state, kept for a while after failures. `at` is monotonic milliseconds. */
  good?: { samples: readonly Samples[]; at: number } | undefined;
}

/** Changes of reading that are logged. */
export type ReadingChange = { router: string } & (
  | { kind: 'disabled' }
  /** This model alone has none. */
  | { kind: 'none'; model: string; why: string }
  /** Models with an idle timer are not read, or are read and stay awake. */
  | { kind: 'idle_timers'; models: readonly string[]; build: string | undefined; areRead: boolean }
  | { kind: 'failed'; model: string; why: string }
  | { kind: 'recovered'; model: string }
);

export type EngineReader = ReturnType<typeof startEngineReader>;

export interface EngineReaderParts {
  store: Store;
  router: RouterState;
  /** Never loads the model. */
  metrics: Backend['metrics'];
  /** Milliseconds between two attempts at a model, and how long the last successful reading is kept. */
  pace: { intervalMs: number; keepMs: number };
  report(change: ReadingChange): void;
}

/** After this time without an answer, the next model is read meanwhile. */
const PATIENCE_MS = 250;

/** A model that takes longer to answer is busy, and will be killed in any case. */
const RELEASE_MS = 1000;

/** After this time, the build of a router that is up is known. */
const REPORT_MS = 2000;

/** Requests under way on one router: each occupies one of its few HTTP workers. */
const MAX_REQUESTS = 3;

interface ModelReader extends Partial<EngineReading> {
  model: string;
  triedAt: number;
  /** Its process has no metrics: it is not asked again. */
  hasNone?: boolean;
  request?: { done: Promise<void>; cancel: AbortController } | undefined;
}

interface ReaderState extends EngineReaderParts {
  models: Map<string, ModelReader>;
  /** By model: why it had no metrics when that was last reported. Its next process has none for the same reason. */
  reported: Map<string, string>;
  alarm: Alarm;
  /** See `nextRead` in reading-plan.ts. */
  pacedAt: number;
  /** When idle timers are reported: soon after the router is up, when its build is known. */
  reportFrom: number;
  isEnding: boolean;
}

/**
 * Reads the own metrics of one router's models, one after the other unless one is slow, at the times that reading-plan.ts
 * allows. Never two requests to one model. A router without `--metrics` is asked once, and again after it was down.
 */
export function startEngineReader(parts: EngineReaderParts) {
  const { store, router } = parts;
  const state: ReaderState = {
    ...parts,
    models: new Map(),
    reported: new Map(),
    alarm: createAlarm(store.clock),
    pacedAt: store.clock.now(),
    reportFrom: store.clock.now() + REPORT_MS,
    isEnding: false,
  };
  const stopListening = store.onTransition((transition) => {
    if (transition.router === router.name) onTransition(state, transition);
  });
  const reading = keepReading(state);
  const { models } = state;
  return {
    readings: (): readonly EngineReading[] =>
      [...models.values()].flatMap(({ model, succeeded, good }) =>
        succeeded === undefined ? [] : [{ model, succeeded, good }],
      ),
    /** Reads every model that was not read yet and may be read now; resolves after `budgetMs` at the latest. */
    readAll: (budgetMs: number): Promise<void> => within(budgetMs, readNew(state), store.clock),
    /**
     * Resolves when no request to this model is under way, after a second at the latest. To be called after its unload
     * request is marked as pending, which keeps new requests away, and before the order is sent: a process that is
     * answering when it gets the order to exit may miss it, and is killed 10 s later.
     */
    release: (model: string): Promise<void> =>
      within(RELEASE_MS, models.get(model)?.request?.done, store.clock),
    async stop(): Promise<void> {
      state.isEnding = true;
      stopListening();
      state.alarm.ring();
      for (const { request } of models.values()) request?.cancel.abort();
      await reading;
      await Promise.all(requestsOf(state));
    },
  };
}

async function keepReading(state: ReaderState): Promise<void> {
  const { store, models } = state;
  while (!state.isEnding) {
    dropOldReadings(state);
    reportIdleTimers(state);
    const next = planned(state);
    if ('waitMs' in next) {
      await state.alarm.sleep(next.waitMs);
    } else {
      if (models.has(next.model)) state.pacedAt = store.clock.now();
      await within(PATIENCE_MS, read(state, next.model), store.clock);
    }
    const requests = requestsOf(state);
    if (requests.length >= MAX_REQUESTS) await Promise.race(requests);
  }
}

function planned({ store, router, models, pacedAt, pace }: ReaderState): NextRead {
  return nextRead(router, models, pacedAt, { now: store.clock.now(), intervalMs: pace.intervalMs });
}

async function readNew(state: ReaderState): Promise<void> {
  while (!state.isEnding) {
    const next = planned(state);
    if ('waitMs' in next || state.models.has(next.model)) break;
    await within(PATIENCE_MS, read(state, next.model), state.store.clock);
  }
  await Promise.all(requestsOf(state));
}

function onTransition(state: ReaderState, transition: Transition): void {
  const { router, models, alarm } = state;
  if (transition.kind === 'router' && transition.change === 'up') {
    router.engineMetrics = 'unknown'; // It may have been restarted with --metrics.
    state.reportFrom = state.store.clock.now() + REPORT_MS;
    alarm.ring();
  } else if (transition.kind === 'model') {
    const { model, change } = transition;
    // An answer is of no use any more.
    const isGone = change.kind === 'unloaded' || change.kind === 'vanished';
    if (isGone || change.kind === 'status') models.get(model)?.request?.cancel.abort();
    if (isGone) models.delete(model);
    alarm.ring();
  }
}

function requestsOf({ models }: ReaderState): Promise<void>[] {
  return [...models.values()].flatMap(({ request }) => request?.done ?? []);
}

function read(state: ReaderState, model: string): Promise<void> {
  const { store, models, metrics } = state;
  const cancel = new AbortController();
  const reader: ModelReader = { ...models.get(model), model, triedAt: store.clock.now() };
  models.set(model, reader);
  const done = metrics(model, cancel.signal).then((answer) => {
    reader.request = undefined;
    // Otherwise the model was unloaded meanwhile, and perhaps loaded again by another process.
    if (models.get(model) === reader && !cancel.signal.aborted) applyAnswer(state, reader, answer);
  });
  reader.request = { done, cancel };
  return done;
}

function applyAnswer(state: ReaderState, reader: ModelReader, answer: RouterAnswer<EngineMetrics>): void {
  const { router, models, report } = state;
  if (!answer.ok) {
    // A model that was unloaded or fell asleep before its answer has not failed.
    const isLoaded = router.models.get(reader.model)?.lifecycle.status === 'loaded';
    if (isLoaded) fail(state, reader, answer.fault.message);
  } else if (answer.value.kind === 'text') {
    accept(state, reader, answer.value.text);
  } else if (answer.value.kind === 'none') {
    const { why } = answer.value;
    reader.hasNone = true;
    if (state.reported.get(reader.model) !== why)
      report({ kind: 'none', router: router.name, model: reader.model, why });
    state.reported.set(reader.model, why);
  } else if (answer.value.kind === 'disabled') {
    if (router.engineMetrics !== 'disabled') report({ kind: 'disabled', router: router.name });
    router.engineMetrics = 'disabled';
    for (const { request } of models.values()) request?.cancel.abort();
    models.clear();
  }
}

function accept(state: ReaderState, reader: ModelReader, text: string): void {
  const { store, router, report } = state;
  const { model } = reader;
  const recorded = recordMetrics(store, router, model, text);
  if (!recorded.ok) return fail(state, reader, `not in Prometheus text format: ${recorded.fault}`);
  if (reader.succeeded === false) report({ kind: 'recovered', router: router.name, model });
  state.reported.delete(model);
  reader.succeeded = true;
  reader.good = { samples: recorded.value.samples, at: store.clock.now() };
  router.engineMetrics = 'enabled';
}

function fail({ store, router, report }: ReaderState, reader: ModelReader, why: string): void {
  if (reader.succeeded !== false) report({ kind: 'failed', router: router.name, model: reader.model, why });
  reader.succeeded = false;
  setActivity(store, router, reader.model, undefined);
}

function dropOldReadings(state: ReaderState): void {
  const { store, router, models, pace } = state;
  for (const reader of models.values()) {
    if (!reader.good || store.clock.now() - reader.good.at <= pace.keepMs) continue;
    reader.good = undefined;
    const isAwake = router.models.get(reader.model)?.lifecycle.status === 'loaded';
    if (isAwake) setActivity(store, router, reader.model, undefined);
  }
}

/** Once while the router is up: models with an idle timer, where a read restarts it. */
function reportIdleTimers(state: ReaderState): void {
  const { store, router, report } = state;
  if (!router.up || store.clock.now() < state.reportFrom) return;
  const models = idleTimersIn(router);
  if (models.length === 0) return;
  state.reportFrom = Number.POSITIVE_INFINITY;
  report({
    kind: 'idle_timers',
    router: router.name,
    models,
    build: router.props.build,
    areRead: router.readMode === 'on',
  });
}
