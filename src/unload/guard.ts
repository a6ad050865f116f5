import { z } from 'zod';
import type { Config } from '../config/schema.ts';
import { formatDuration } from '../lib/duration.ts';
import { savedTime } from '../state/state-file.ts';
import type { Refusal } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';

/** Limits of automatic unloads, in milliseconds. */
export interface GuardRules {
  /** The pause between an operation that unloaded something and the next automatic one. */
  cooldownMs: number;
  /** A model that is loaded within this time after an automatic unload counts as reloaded. */
  windowMs: number;
  /** Automatic unloads in a row whose models were reloaded make a reload loop. */
  loopCount: number;
  /** How long automatic unloads are paused after the first loop. Doubles with each loop, up to `pauseMaxMs`. */
  pauseMinMs: number;
  pauseMaxMs: number;
}

export function guardRules({ unload, lifecycle }: Config): GuardRules {
  return {
    cooldownMs: unload.cooldown * 1000,
    windowMs: lifecycle.reload_window * 1000,
    loopCount: unload.loop_count,
    pauseMinMs: unload.loop_pause_min * 1000,
    pauseMaxMs: unload.loop_pause_max * 1000,
  };
}

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
): { state: GuardState; loop?: NonNullable<GuardState['pause']> } {
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
