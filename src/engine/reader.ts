import type { EngineMetrics } from '../backends/llama-server/client.ts';
import { createAlarm } from '../lib/alarm.ts';
import type { Clock } from '../lib/clock.ts';
import { within } from '../lib/within.ts';
import type { Samples } from '../metrics/family.ts';
import { parseExposition } from '../metrics/parse.ts';
import type { Answer } from '../models/feed.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import type { Transition } from '../models/router-state.ts';
import { activityOf } from './activity.ts';

/** What is known of one model's own metrics. Times in milliseconds since the epoch. */
export interface Reading {
  model: string;
  /** Whether the last attempt succeeded. */
  succeeded: boolean;
  /** The last good answer, kept for a while when no other follows. */
  good?: { samples: readonly Samples[]; at: number };
}

export interface ReaderPace {
  /** Between two attempts at a model. */
  intervalMs: number;
  /** How long the last good answer is kept. */
  keepMs: number;
}

/** Asks for a model's own metrics; never loads the model, and ends within the time that an attempt may take. */
export type AskEngine = (model: string, signal: AbortSignal) => Promise<Answer<EngineMetrics>>;

/** What is worth a line in the log. */
export type ReadingChange = { router: string } & (
  | { kind: 'disabled' }
  | { kind: 'failed'; model: string; why: string }
  | { kind: 'recovered'; model: string }
);

/** Reads the own metrics of one router's models. */
export interface Reader {
  readings(): readonly Reading[];
  /** Another number after every change of the readings: for caches. */
  version(): number;
  /** Reads what is older than the interval; resolves when that is done, at the latest after `budgetMs`. */
  freshen(budgetMs: number): Promise<void>;
  /** Resolves when everything that can be read has been tried, at the latest after `budgetMs`. */
  readAll(budgetMs: number): Promise<void>;
  /**
   * Resolves when no request for this model is under way, or soon. To be called after `entry.asking` and before
   * its unload is asked for: a process that answers a question when it is told to exit may miss that (in 5 of 12
   * attempts on b11669) and is killed 10 s later. A model that is to go is not asked.
   */
  release(model: string): Promise<void>;
  stop(): Promise<void>;
}

/** A model that answers later than this is left to it, and the next one is asked meanwhile. */
const PATIENCE_MS = 250;

/** A model that takes longer to answer is busy, and will have to be killed anyway. */
const RELEASE_MS = 1000;

/** Attempts under way at one router: each holds one of its few HTTP workers. */
const AT_ONCE = 3;

/** Rounds are not closer than this, whatever the clock does. */
const SHORTEST_PAUSE_MS = 50;

interface Target {
  triedAt: number;
  /** Absent until the first attempt is over: nothing is claimed of it. */
  succeeded?: boolean;
  good?: { samples: readonly Samples[]; at: number };
  underWay?: Promise<void>;
}

/**
 * Reads the models that are loaded at the moment of asking, and no others: asking about a sleeping model wakes it
 * on some builds, about an unloaded one it is an error. One after the other, unless one is slow; never two at
 * once for one model. A router without `--metrics` is asked once, and again when it has been away.
 */
export function startReader(
  entry: RouterEntry,
  ask: AskEngine,
  pace: ReaderPace,
  clock: Clock,
  onTransition: (listener: (transition: Transition) => void) => () => void,
  tell: (news: ReadingChange) => void,
): Reader {
  const router = entry.state.name;
  const ending = new AbortController();
  const targets = new Map<string, Target>();
  const nextRound = createAlarm(clock);
  let version = 0;
  const stopListening = onTransition((transition) => {
    if (transition.router === router) heed(transition);
  });
  const rounds = keepReading();

  return {
    readings: () =>
      [...targets].flatMap(([model, { succeeded, good }]) =>
        succeeded === undefined ? [] : [{ model, succeeded, ...(good && { good }) }],
      ),
    version: () => version,
    async freshen(budgetMs) {
      // A model that did not answer last time would hold up every scrape: the next round asks it again.
      const stale = due().filter((model) => targets.get(model)?.succeeded !== false);
      if (stale.length > 0) await within(budgetMs, Promise.all(stale.map(read)), clock);
    },
    async readAll(budgetMs) {
      await within(budgetMs, Promise.all([...due().map(read), ...underWay()]), clock);
    },
    async release(model) {
      await within(RELEASE_MS, targets.get(model)?.underWay ?? Promise.resolve(), clock);
    },
    async stop() {
      ending.abort();
      stopListening();
      nextRound.ring();
      await rounds;
      await Promise.all(underWay());
    },
  };

  async function keepReading(): Promise<void> {
    while (!ending.signal.aborted) {
      for (const model of due()) {
        if (underWay().length >= AT_ONCE) await Promise.race(underWay());
        if (isDue(model) && !ending.signal.aborted) await within(PATIENCE_MS, read(model), clock);
      }
      forgetOld();
      if (!ending.signal.aborted) await nextRound.sleep(untilDue());
    }
  }

  function heed(transition: Transition): void {
    if (transition.kind === 'router' && transition.change === 'up') {
      entry.engineMetrics('unknown'); // It may have been restarted, with --metrics this time.
      nextRound.ring();
    } else if (transition.kind === 'model') {
      const { kind } = transition.change;
      if (kind === 'unloaded' || kind === 'vanished') forget(transition.model);
      if (kind === 'loaded' || kind === 'woke') nextRound.ring();
    }
  }

  function due(): string[] {
    return [...entry.state.models.keys()].filter(isDue);
  }

  function isDue(model: string): boolean {
    const { state } = entry;
    if (state.up !== true || state.engineMetrics === 'disabled') return false;
    const lifecycle = state.models.get(model)?.lifecycle;
    if (lifecycle?.status !== 'loaded' || lifecycle.unloadRequestedAt !== undefined) return false;
    const target = targets.get(model);
    return !target || (!target.underWay && clock.now() - target.triedAt >= pace.intervalMs);
  }

  /** Until the first of the loaded models is due; one that is being asked is due later than that. */
  function untilDue(): number {
    const waits = [...targets]
      .filter(
        ([model, { underWay }]) => !underWay && entry.state.models.get(model)?.lifecycle.status === 'loaded',
      )
      .map(([, { triedAt }]) => triedAt + pace.intervalMs - clock.now());
    return Math.max(SHORTEST_PAUSE_MS, Math.min(pace.intervalMs, ...waits));
  }

  function underWay(): Promise<void>[] {
    return [...targets.values()].flatMap((target) => target.underWay ?? []);
  }

  function read(model: string): Promise<void> {
    const target: Target = { ...targets.get(model), triedAt: clock.now() };
    targets.set(model, target);
    target.underWay = ask(model, ending.signal).then((answer) => {
      delete target.underWay;
      // It may have gone, or come back as another process, while we asked: then this is nobody's answer.
      if (targets.get(model) === target && !ending.signal.aborted) take(model, target, answer);
    });
    return target.underWay;
  }

  function take(model: string, target: Target, answer: Answer<EngineMetrics>): void {
    const isStillLoaded = entry.state.models.get(model)?.lifecycle.status === 'loaded';
    if (answer.ok && answer.value.kind === 'disabled') {
      if (entry.state.engineMetrics !== 'disabled') tell({ kind: 'disabled', router });
      entry.engineMetrics('disabled');
      targets.clear();
      version += 1;
    } else if (answer.ok && answer.value.kind === 'text') {
      accept(model, target, answer.value.text);
    } else if (!answer.ok && isStillLoaded) {
      fail(model, target, answer.fault.message);
    } // Else it was unloaded or fell asleep between the decision and the answer: that is no failure.
  }

  function accept(model: string, target: Target, text: string): void {
    const parsed = parseExposition(text);
    if (!parsed.ok) return fail(model, target, `its metrics are not as Prometheus has them, ${parsed.fault}`);
    if (target.succeeded === false) tell({ kind: 'recovered', router, model });
    const at = clock.now();
    target.succeeded = true;
    target.good = { samples: parsed.value, at };
    version += 1;
    entry.engineMetrics('enabled');
    entry.activity(model, (before) => activityOf(parsed.value, at, before));
  }

  function fail(model: string, target: Target, why: string): void {
    if (target.succeeded !== false) tell({ kind: 'failed', router, model, why });
    target.succeeded = false;
    version += 1;
    entry.activity(model, () => undefined); // Nobody knows now whether it is busy.
  }

  function forget(model: string): void {
    if (targets.delete(model)) version += 1;
  }

  function forgetOld(): void {
    for (const target of targets.values()) {
      if (target.good && clock.now() - target.good.at > pace.keepMs) {
        delete target.good;
        version += 1;
      }
    }
  }
}
