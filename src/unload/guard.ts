import { z } from 'zod';
import { formatDuration } from '../lib/duration.ts';
import { savedTime } from '../lib/saved-time.ts';
import type { Refusal } from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';

/** What keeps automatic unloads from doing harm. Times in milliseconds. */
export interface GuardRules {
  /** After an operation that unloaded something, before the next automatic one. */
  cooldownMs: number;
  /** A model that is loaded this soon after an automatic unload has come back. */
  windowMs: number;
  /** So many automatic unloads in a row whose models came back are a loop. */
  loopCount: number;
  /** For how long a loop stops automatic unloads: the first time, and at most; it doubles in between. */
  pauseMinMs: number;
  pauseMaxMs: number;
}

const automaticUnload = z.object({
  at: savedTime,
  models: z.array(z.string()),
  /** Those that came back. */
  returned: z.array(z.string()),
});

/** What is remembered of one automatic trigger on one router. Times are monotonic milliseconds, but wall time in the state file. */
export const guardState = z.object({
  /** When an operation last unloaded something. */
  actedAt: savedTime.exactOptional(),
  /** The last automatic unloads, the oldest first. */
  automatic: z.array(automaticUnload),
  /** Of the last loop; kept after it is over, for the next to be longer. */
  pause: z.object({ until: savedTime, ms: z.number(), models: z.array(z.string()) }).exactOptional(),
});

export type GuardState = z.infer<typeof guardState>;

export const NOTHING_REMEMBERED: GuardState = { automatic: [] };

/** Why this request is not granted now; undefined when it is. Never a refusal for a person who asks. */
export function judge(
  state: GuardState,
  { trigger, enforcesHold = false }: Pick<UnloadRequest, 'trigger' | 'enforcesHold'>,
  now: number,
  rules: GuardRules,
): Refusal | undefined {
  if (!isAutomatic(trigger)) return undefined;
  const { pause, actedAt } = state;
  if (pause && now < pause.until) {
    return {
      reason: 'reload_loop',
      detail:
        `each of the last automatic unloads was undone: ${pause.models.join(', ')} came back within ` +
        `${formatDuration(rules.windowMs / 1000)}. Find out who loads them`,
      retry_after_seconds: secondsUntil(pause.until, now),
    };
  }
  const since = actedAt === undefined ? undefined : now - actedAt;
  if (enforcesHold || since === undefined || since >= rules.cooldownMs) return undefined;
  return {
    reason: 'cooldown',
    detail: `the last unload was ${formatDuration(since / 1000)} ago: what it did must show first`,
    retry_after_seconds: secondsUntil(now + rules.cooldownMs - since, now),
  };
}

/** After an operation that unloaded these models. */
export function acted(
  state: GuardState,
  { trigger }: Pick<UnloadRequest, 'trigger'>,
  models: string[],
  now: number,
  rules: GuardRules,
): GuardState {
  if (!isAutomatic(trigger)) return { ...state, actedAt: now };
  const calm = isCalm(state, now, rules);
  const { pause: _, ...fresh } = state;
  const automatic = [...(calm ? [] : state.automatic), { at: now, models, returned: [] }];
  return { ...(calm ? fresh : state), actedAt: now, automatic: automatic.slice(-rules.loopCount) };
}

/** A model was loaded. `loop` tells that this closes a loop: automatic unloads rest from now on. */
export function cameBack(
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
  const isNews = undone.returned.length === 0;
  const next: GuardState = { ...state, automatic };
  if (!isLoop || !isNews) return { state: next };
  const ms = Math.min(rules.pauseMaxMs, state.pause ? state.pause.ms * 2 : rules.pauseMinMs);
  const models = [...new Set(automatic.flatMap(({ returned }) => returned))];
  const loop = { until: now + ms, ms, models };
  return { state: { ...next, pause: loop }, loop };
}

/** The last automatic unload stood: nothing came back in time, and what was before it is no loop any more. */
function isCalm({ automatic }: GuardState, now: number, { windowMs }: GuardRules): boolean {
  const last = automatic.at(-1);
  return last !== undefined && last.returned.length === 0 && now - last.at > windowMs;
}

function secondsUntil(until: number, now: number): number {
  return Math.max(1, Math.ceil((until - now) / 1000));
}

/** The state with each of its times as `convert` gives it: to wall time for the state file, and back. */
export function withTimes(state: GuardState, convert: (at: number) => number): GuardState {
  const { actedAt, automatic, pause } = state;
  return {
    ...(actedAt !== undefined && { actedAt: convert(actedAt) }),
    automatic: automatic.map((unload) => ({ ...unload, at: convert(unload.at) })),
    ...(pause && { pause: { ...pause, until: convert(pause.until) } }),
  };
}
