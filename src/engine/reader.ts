import type { EngineMetrics, RouterClient } from '../backends/llama-server/client.ts';
import { type Alarm, createAlarm } from '../lib/alarm.ts';
import { within } from '../lib/clock.ts';
import type { Samples } from '../metrics/exposition.ts';
import type { RouterAnswer } from '../models/feed.ts';
import { setActivity } from '../models/observations.ts';
import type { RouterState, Transition } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { recordMetrics } from './activity.ts';

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
  | { kind: 'failed'; model: string; why: string }
  | { kind: 'recovered'; model: string }
);

export type EngineReader = ReturnType<typeof startEngineReader>;

export interface EngineReaderParts {
  store: Store;
  router: RouterState;
  /** Never loads the model. */
  metrics: RouterClient['metrics'];
  /** Milliseconds between two attempts at a model, and how long the last successful reading is kept. */
  pace: { intervalMs: number; keepMs: number };
  report(change: ReadingChange): void;
}

/** After this time without an answer, the next model is read meanwhile. */
const PATIENCE_MS = 250;

/** A model that takes longer to answer is busy, and will be killed in any case. */
const RELEASE_MS = 1000;

/** Requests under way on one router: each occupies one of its few HTTP workers. */
const MAX_REQUESTS = 3;

/** The shortest pause between two rounds. */
const MIN_PAUSE_MS = 50;

interface ModelReader extends Partial<EngineReading> {
  model: string;
  triedAt: number;
  request?: Promise<void> | undefined;
}

interface ReaderState extends EngineReaderParts {
  models: Map<string, ModelReader>;
  nextRound: Alarm;
  ending: AbortController;
}

/**
 * Reads the own metrics of one router's models that are loaded, and no others: a request may wake a sleeping model on
 * some builds. One model after the other unless one is slow, and never two requests to one model. A router without
 * `--metrics` is asked once, and again after it was down.
 */
export function startEngineReader(parts: EngineReaderParts) {
  const { store, router } = parts;
  const state: ReaderState = {
    ...parts,
    models: new Map(),
    nextRound: createAlarm(store.clock),
    ending: new AbortController(),
  };
  const stopListening = store.onTransition((transition) => {
    if (transition.router === router.name) onTransition(state, transition);
  });
  const rounds = keepReading(state);
  const { models, nextRound, ending } = state;
  return {
    readings: (): readonly EngineReading[] =>
      [...models.values()].flatMap(({ model, succeeded, good }) =>
        succeeded === undefined ? [] : [{ model, succeeded, good }],
      ),
    /** Reads what is older than the interval; resolves when that is done, after `budgetMs` at the latest. */
    async freshen(budgetMs: number): Promise<void> {
      // A model that failed last time is left to the next round: it would delay every scrape.
      const stale = dueModels(state).filter((model) => models.get(model)?.succeeded !== false);
      if (stale.length === 0) return;
      await within(budgetMs, Promise.all(stale.map((model) => read(state, model))), store.clock);
    },
    /** Resolves when every loaded model has been tried, after `budgetMs` at the latest. */
    async readAll(budgetMs: number): Promise<void> {
      const requests = dueModels(state).map((model) => read(state, model));
      await within(budgetMs, Promise.all([...requests, ...requestsOf(state)]), store.clock);
    },
    /**
     * Resolves when no request to this model is under way, after a second at the latest. To be called after its unload
     * request is marked as pending, which keeps new requests away, and before the order is sent: a process that is
     * answering when it gets the order to exit may miss it (5 of 12 attempts on b11669) and is killed 10 s later.
     */
    async release(model: string): Promise<void> {
      await within(RELEASE_MS, models.get(model)?.request ?? Promise.resolve(), store.clock);
    },
    async stop(): Promise<void> {
      ending.abort();
      stopListening();
      nextRound.ring();
      await rounds;
      await Promise.all(requestsOf(state));
    },
  };
}

async function keepReading(state: ReaderState): Promise<void> {
  const { store, nextRound, ending } = state;
  while (!ending.signal.aborted) {
    for (const model of dueModels(state)) {
      const requests = requestsOf(state);
      if (requests.length >= MAX_REQUESTS) await Promise.race(requests);
      if (isDue(state, model) && !ending.signal.aborted) {
        await within(PATIENCE_MS, read(state, model), store.clock);
      }
    }
    dropOldReadings(state);
    if (!ending.signal.aborted) await nextRound.sleep(untilNextDue(state));
  }
}

function onTransition(state: ReaderState, transition: Transition): void {
  const { router, models, nextRound } = state;
  if (transition.kind === 'router' && transition.change === 'up') {
    router.engineMetrics = 'unknown'; // It may have been restarted with --metrics.
    nextRound.ring();
  } else if (transition.kind === 'model') {
    const { kind } = transition.change;
    if (kind === 'loaded' || kind === 'woke') nextRound.ring();
    if (kind === 'unloaded' || kind === 'vanished') models.delete(transition.model);
  }
}

function dueModels(state: ReaderState): string[] {
  return [...state.router.models.keys()].filter((model) => isDue(state, model));
}

function isDue({ store, router, models, pace }: ReaderState, model: string): boolean {
  if (!router.up || router.engineMetrics === 'disabled') return false;
  const lifecycle = router.models.get(model)?.lifecycle;
  if (lifecycle?.status !== 'loaded' || lifecycle.unloadRequestedAt !== undefined) return false;
  const reader = models.get(model);
  return !reader || (!reader.request && store.clock.now() - reader.triedAt >= pace.intervalMs);
}

/** Milliseconds until the next loaded model is due. */
function untilNextDue({ store, router, models, pace }: ReaderState): number {
  const waits = [...models.values()]
    .filter(({ model, request }) => !request && router.models.get(model)?.lifecycle.status === 'loaded')
    .map(({ triedAt }) => triedAt + pace.intervalMs - store.clock.now());
  return Math.max(MIN_PAUSE_MS, Math.min(pace.intervalMs, ...waits));
}

function requestsOf({ models }: ReaderState): Promise<void>[] {
  return [...models.values()].flatMap(({ request }) => request ?? []);
}

function read(state: ReaderState, model: string): Promise<void> {
  const { store, models, metrics, ending } = state;
  const reader: ModelReader = { ...models.get(model), model, triedAt: store.clock.now() };
  models.set(model, reader);
  reader.request = metrics(model, ending.signal).then((answer) => {
    reader.request = undefined;
    // Otherwise the model was unloaded meanwhile, and perhaps loaded again by another process.
    if (models.get(model) === reader && !ending.signal.aborted) applyAnswer(state, reader, answer);
  });
  return reader.request;
}

function applyAnswer(state: ReaderState, reader: ModelReader, answer: RouterAnswer<EngineMetrics>): void {
  const { router, models, report } = state;
  if (!answer.ok) {
    // A model that was unloaded or fell asleep before its answer has not failed.
    const isLoaded = router.models.get(reader.model)?.lifecycle.status === 'loaded';
    if (isLoaded) fail(state, reader, answer.fault.message);
  } else if (answer.value.kind === 'text') {
    accept(state, reader, answer.value.text);
  } else if (answer.value.kind === 'disabled') {
    if (router.engineMetrics !== 'disabled') report({ kind: 'disabled', router: router.name });
    router.engineMetrics = 'disabled';
    models.clear();
  }
}

function accept(state: ReaderState, reader: ModelReader, text: string): void {
  const { store, router, report } = state;
  const { model } = reader;
  const recorded = recordMetrics(store, router, model, text);
  if (!recorded.ok) return fail(state, reader, `not in Prometheus text format: ${recorded.fault}`);
  if (reader.succeeded === false) report({ kind: 'recovered', router: router.name, model });
  reader.succeeded = true;
  reader.good = { samples: recorded.value.samples, at: store.clock.now() };
  router.engineMetrics = 'enabled';
}

function fail({ store, router, report }: ReaderState, reader: ModelReader, why: string): void {
  const { model } = reader;
  if (reader.succeeded !== false) report({ kind: 'failed', router: router.name, model, why });
  reader.succeeded = false;
  setActivity(store, router, model, undefined);
}

function dropOldReadings(state: ReaderState): void {
  const { store, models, pace } = state;
  for (const reader of models.values()) {
    if (reader.good && store.clock.now() - reader.good.at > pace.keepMs) reader.good = undefined;
  }
}
