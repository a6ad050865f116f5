import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import type { Transition } from '../models/router-state.ts';
import type { StatePart } from '../state/keep-state.ts';
import {
  afterLoad,
  afterUnload,
  type GuardRules,
  type GuardState,
  guardState,
  judge,
  NO_HISTORY,
  withTimes,
} from './guard.ts';
import { AUTOMATIC_TRIGGERS, isAutomatic, TRIGGERS, type Trigger, type UnloadRequest } from './request.ts';

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
        if (loop) onLoop({ router, trigger, models: loop.models, until: loop.until });
      }
    },
    /** The loops that pause automatic unloads now. */
    loops: (): readonly Loop[] =>
      [...records.values()].flatMap(({ router, trigger, state: { pause } }) =>
        pause && clock.now() < pause.until
          ? [{ router, trigger, models: pause.models, until: pause.until }]
          : [],
      ),
    /** When an operation last unloaded something on this router, in monotonic milliseconds. */
    lastUnload: (router: string) => stateOf(router, AUTOMATIC_TRIGGERS[0]).actedAt,
    snapshot: (): GuardRecord[] =>
      [...records.values()].map(({ router, trigger, state }) => ({
        router,
        trigger,
        state: withTimes(state, clock.wall),
      })),
    restore(saved: readonly GuardRecord[]): void {
      for (const { router, trigger, state } of saved) {
        if (isAutomatic(trigger)) put({ router, trigger, state: restored(state, clock) });
      }
    },
  };

  function stateOf(router: string, trigger: Trigger): GuardState {
    return records.get(keyOf(router, trigger))?.state ?? NO_HISTORY;
  }

  function put(record: GuardRecord): void {
    const key = keyOf(record.router, record.trigger);
    records.delete(key);
    records.set(key, record);
    const [oldest] = records.keys();
    if (records.size > MAX_RECORDS && oldest !== undefined) records.delete(oldest);
  }
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

export function guardsPart(guards: Guards): StatePart<GuardRecord[]> {
  return { ...GUARDS, snapshot: guards.snapshot, restore: guards.restore };
}
