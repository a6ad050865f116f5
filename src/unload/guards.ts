import * as z from 'zod';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { formatDuration } from '../lib/duration.ts';
import { keepLatest } from '../lib/keep-latest.ts';
import type { Transition } from '../models/router-state.ts';
import { savedTime } from '../state/state-file.ts';
import type { Refusal } from './report.ts';
import { AUTOMATIC_TRIGGERS, isAutomatic, TRIGGERS, type Trigger, type UnloadRequest } from './request.ts';

/** Limits of automatic unloads, in milliseconds. */
export function guardRules({ unload, lifecycle }: Config) {
  return {
    /** The pause between an operation that unloaded something and the next automatic one. */
    cooldownMs: unload.cooldown * 1000,
    /** A model that is loaded within this time after an automatic unload counts as reloaded. */
    windowMs: lifecycle.reload_window * 1000,
    /** Automatic unloads in a row whose models were reloaded make a reload loop. */
    loopCount: unload.loop_count,
    /** How long automatic unloads are paused after the first loop. Doubles with each loop, up to `pauseMaxMs`. */
    pauseMinMs: unload.loop_pause_min * 1000,
    pauseMaxMs: unload.loop_pause_max * 1000,
  };
}

export type GuardRules = ReturnType<typeof guardRules>;

const automaticUnload = z.object({
  at: savedTime,
  models: z.array(z.string()),
  /** Those of `models` that were loaded again. */
  returned: z.array(z.string()),
});

/** One automatic trigger on one router. Times are monotonic milliseconds, but wall time in the state file. */
export const guardState = z.object({
  /** When an operation, of any trigger, last unloaded something. */
  actedAt: savedTime.optional(),
  /** The last automatic unloads, the oldest first. */
  automatic: z.array(automaticUnload),
  /** The pause of the last loop; kept after its end, because the next pause is longer. */
  pause: z.object({ until: savedTime, ms: z.number(), models: z.array(z.string()) }).optional(),
});

export type GuardState = z.infer<typeof guardState>;

type Pause = NonNullable<GuardState['pause']>;

export const NO_HISTORY: GuardState = { automatic: [] };

/** Why a request is refused now; undefined when it is granted, as every request of a person is. */
export function judge(
  { pause, actedAt }: GuardState,
  { trigger, enforcesHold }: Pick<UnloadRequest, 'trigger' | 'enforcesHold'>,
  now: number,
  { cooldownMs, windowMs }: GuardRules,
): Refusal | undefined {
  if (!isAutomatic(trigger)) return undefined;
  if (pause && now < pause.until) {
    return {
      reason: 'reload_loop',
      detail:
        `automatic unloads are paused: ${pause.models.join(', ')} came back within ${formatDuration(windowMs / 1000)} ` +
        'of each of the last ones. Find out which client loads them',
      retry_after_seconds: secondsUntil(pause.until, now),
    };
  }
  const since = actedAt === undefined ? undefined : now - actedAt;
  if (enforcesHold || since === undefined || since >= cooldownMs) return undefined;
  return {
    reason: 'cooldown',
    detail: `the last unload was ${formatDuration(since / 1000)} ago; the cooldown is ${formatDuration(cooldownMs / 1000)}`,
    retry_after_seconds: secondsUntil(now + cooldownMs - since, now),
  };
}

/** The state after an operation that unloaded these models. */
export function afterUnload(
  state: GuardState,
  { trigger }: Pick<UnloadRequest, 'trigger'>,
  models: string[],
  now: number,
  rules: GuardRules,
): GuardState {
  if (!isAutomatic(trigger)) return { ...state, actedAt: now };
  const settled = lastUnloadLasted(state, now, rules);
  const automatic = [...(settled ? [] : state.automatic), { at: now, models, returned: [] }];
  return {
    actedAt: now,
    automatic: automatic.slice(-rules.loopCount),
    pause: settled ? undefined : state.pause,
  };
}

/** The state after a model was loaded. `loop` is set when this closes a reload loop: automatic unloads are paused. */
export function afterLoad(
  state: GuardState,
  model: string,
  now: number,
  rules: GuardRules,
): { state: GuardState; loop?: Pause } {
  const place = state.automatic.findLastIndex(
    ({ at, models, returned }) =>
      models.includes(model) && !returned.includes(model) && now - at <= rules.windowMs,
  );
  const undone = state.automatic[place];
  if (!undone) return { state };
  const automatic = state.automatic.with(place, { ...undone, returned: [...undone.returned, model] });
  const isLoop =
    automatic.length >= rules.loopCount && automatic.every(({ returned }) => returned.length > 0);
  const isFirstReturn = undone.returned.length === 0;
  if (!isLoop || !isFirstReturn) return { state: { ...state, automatic } };
  const ms = Math.min(rules.pauseMaxMs, state.pause ? state.pause.ms * 2 : rules.pauseMinMs);
  const models = [...new Set(automatic.flatMap(({ returned }) => returned))];
  const loop = { until: now + ms, ms, models };
  return { state: { ...state, automatic, pause: loop }, loop };
}

/** Whether no model of the last automatic unload came back in time, so that what was before it is no loop. */
function lastUnloadLasted({ automatic }: GuardState, now: number, { windowMs }: GuardRules): boolean {
  const last = automatic.at(-1);
  return last !== undefined && last.returned.length === 0 && now - last.at > windowMs;
}

function secondsUntil(until: number, now: number): number {
  return Math.max(1, Math.ceil((until - now) / 1000));
}

/** The state with each of its times converted: to wall time for the state file, and back. */
export function withTimes(
  { actedAt, automatic, pause }: GuardState,
  convert: (at: number) => number,
): GuardState {
  return {
    actedAt: actedAt === undefined ? undefined : convert(actedAt),
    automatic: automatic.map((unload) => ({ ...unload, at: convert(unload.at) })),
    pause: pause && { ...pause, until: convert(pause.until) },
  };
}

/** A reload loop that pauses a trigger on a router. Times are monotonic milliseconds. */
export interface Loop {
  router: string;
  trigger: Trigger;
  models: readonly string[];
  until: number;
}

/** Triggers are guarded separately: a loop of the idle policy says nothing about memory pressure. */
const guardRecord = z.object({ router: z.string(), trigger: z.enum(TRIGGERS), state: guardState });

export type GuardRecord = z.infer<typeof guardRecord>;

/** Discovered routers come and go: beyond this number, the record of the oldest unload is dropped. */
const MAX_RECORDS = 4000;

export type Guards = ReturnType<typeof createGuards>;

/** Cooldown and loop protection of all routers. `onLoop` is called when a reload loop is detected. */
export function createGuards(clock: Clock, rules: () => GuardRules, onLoop: (loop: Loop) => void) {
  /** By router and trigger, in the order of their last unload. */
  const records = new Map<string, GuardRecord>();
  return {
    judge: (router: string, request: UnloadRequest) =>
      judge(stateOf(router, request.trigger), request, clock.now(), rules()),
    recordUnload(router: string, request: UnloadRequest, models: string[]): void {
      for (const trigger of AUTOMATIC_TRIGGERS) {
        // For the other triggers it is like an unload by a person: a reason to wait, but not part of a loop.
        const by = trigger === request.trigger ? trigger : 'api';
        const state = afterUnload(stateOf(router, trigger), { trigger: by }, models, clock.now(), rules());
        put({ router, trigger, state });
      }
    },
    /** Observes transitions for models that come back. */
    observe(transition: Transition): void {
      if (transition.kind !== 'model' || transition.change.kind !== 'loaded') return;
      const { router, model } = transition;
      for (const trigger of AUTOMATIC_TRIGGERS) {
        const record = records.get(keyOf(router, trigger));
        if (!record) continue;
        const { state, loop } = afterLoad(record.state, model, clock.now(), rules());
        record.state = state;
        if (loop) onLoop(loopOf(router, trigger, loop));
      }
    },
    /** The loops that pause automatic unloads now. */
    loops: (): readonly Loop[] =>
      [...records.values()].flatMap(({ router, trigger, state: { pause } }) =>
        pause && clock.now() < pause.until ? [loopOf(router, trigger, pause)] : [],
      ),
    /** When an operation last unloaded something on this router, in monotonic milliseconds. */
    lastUnload: (router: string) => stateOf(router, AUTOMATIC_TRIGGERS[0]).actedAt,
    snapshot: (): GuardRecord[] =>
      [...records.values()].map((record) => ({ ...record, state: withTimes(record.state, clock.wall) })),
    restore(saved: readonly GuardRecord[]): void {
      for (const record of saved) {
        if (isAutomatic(record.trigger)) put({ ...record, state: restored(record.state, clock) });
      }
    },
  };

  function stateOf(router: string, trigger: Trigger): GuardState {
    return records.get(keyOf(router, trigger))?.state ?? NO_HISTORY;
  }

  function put(record: GuardRecord): void {
    keepLatest(records, keyOf(record.router, record.trigger), record, MAX_RECORDS);
  }
}

function loopOf(router: string, trigger: Trigger, { models, until }: Pause): Loop {
  return { router, trigger, models, until };
}

function keyOf(router: string, trigger: Trigger): string {
  return JSON.stringify([router, trigger]);
}

/** Bounds saved times, in case the wall clock was set: no event is in the future, no pause is longer than intended. */
function restored(saved: GuardState, clock: Clock): GuardState {
  const now = clock.now();
  const state = withTimes(saved, (at) => Math.min(clock.fromWall(at), now));
  const { pause } = saved;
  if (pause === undefined) return state;
  return { ...state, pause: { ...pause, until: Math.min(clock.fromWall(pause.until), now + pause.ms) } };
}

export const GUARDS = { name: 'guards', schema: z.array(guardRecord) };
