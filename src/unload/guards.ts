import { z } from 'zod';
import type { Clock } from '../lib/clock.ts';
import type { Transition } from '../models/router-state.ts';
import type { StatePart } from '../state/keep-state.ts';
import {
  acted,
  cameBack,
  type GuardRules,
  type GuardState,
  guardState,
  judge,
  NOTHING_REMEMBERED,
  withTimes,
} from './guard.ts';
import type { Refusal } from './report.ts';
import { isAutomatic, TRIGGERS, type Trigger, type UnloadRequest } from './request.ts';

/** A trigger whose unloads on a router were undone again and again. Times are monotonic milliseconds. */
export interface Loop {
  router: string;
  trigger: Trigger;
  models: readonly string[];
  until: number;
}

/** What the guards remember of every router and automatic trigger. */
export interface Guards {
  /** The triggers that are guarded. */
  triggers: readonly Trigger[];
  judge(router: string, request: UnloadRequest): Refusal | undefined;
  /** An operation has unloaded these models. */
  acted(router: string, request: UnloadRequest, models: string[]): void;
  /** Watches for models that come back. */
  heed(transition: Transition): void;
  /** The loops that stop automatic unloads now. */
  loops(): readonly Loop[];
  /** Another number after every change. */
  version(): number;
  snapshot(): GuardRecord[];
  restore(records: readonly GuardRecord[]): void;
}

export const guardRecord = z.object({ router: z.string(), trigger: z.enum(TRIGGERS), state: guardState });

export type GuardRecord = z.infer<typeof guardRecord>;

/** Triggers are guarded apart: what undoes an idle policy says nothing about memory pressure. */
const AUTOMATIC: readonly Trigger[] = ['alertmanager', 'policy'];

/** Of routers that are found and lost again: the one that was acted on longest ago is forgotten. */
const MOST_RECORDS = 4000;

export function createGuards(clock: Clock, rules: () => GuardRules, tellLoop: (loop: Loop) => void): Guards {
  const records = new Map<string, GuardRecord>();
  let version = 0;
  return {
    triggers: AUTOMATIC,
    judge: (router, request) => judge(recordOf(router, request.trigger).state, request, clock.now(), rules()),
    acted(router, request, models) {
      const now = clock.now();
      version += 1;
      for (const trigger of AUTOMATIC) {
        const record = recordOf(router, trigger);
        // To the other triggers it is as if a person had acted: a reason to wait, and no loop of theirs.
        const by = trigger === request.trigger ? trigger : 'api';
        record.state = acted(record.state, { trigger: by }, models, now, rules());
        remember(record);
      }
    },
    heed(transition) {
      if (transition.kind !== 'model' || transition.change.kind !== 'loaded') return;
      const { router, model } = transition;
      for (const trigger of AUTOMATIC) {
        const record = records.get(keyOf(router, trigger));
        if (!record) continue;
        const { state, loop } = cameBack(record.state, model, clock.now(), rules());
        if (state !== record.state) version += 1;
        record.state = state;
        if (loop) tellLoop({ router, trigger, models: loop.models, until: loop.until });
      }
    },
    loops: () =>
      [...records.values()].flatMap(({ router, trigger, state: { pause } }) =>
        pause && clock.now() < pause.until
          ? [{ router, trigger, models: pause.models, until: pause.until }]
          : [],
      ),
    version: () => version,
    snapshot: () =>
      [...records.values()].map(({ state, ...of }) => ({ ...of, state: withTimes(state, clock.wall) })),
    restore(saved) {
      for (const record of saved) {
        const state = restored(record.state);
        if (isAutomatic(record.trigger)) remember({ ...record, state });
      }
    },
  };

  /** Nothing has happened later than now, and no pause is longer than it was meant to be. */
  function restored(saved: GuardState): GuardState {
    const state = withTimes(saved, (at) => Math.min(clock.fromWall(at), clock.now()));
    const { pause } = saved;
    if (!pause) return state;
    return {
      ...state,
      pause: { ...pause, until: Math.min(clock.fromWall(pause.until), clock.now() + pause.ms) },
    };
  }

  function remember(record: GuardRecord): void {
    const key = keyOf(record.router, record.trigger);
    records.delete(key);
    records.set(key, record);
    const [oldest] = records.keys();
    if (records.size > MOST_RECORDS && oldest !== undefined) records.delete(oldest);
  }

  function recordOf(router: string, trigger: Trigger): GuardRecord {
    return records.get(keyOf(router, trigger)) ?? { router, trigger, state: NOTHING_REMEMBERED };
  }
}

function keyOf(router: string, trigger: Trigger): string {
  return JSON.stringify([router, trigger]);
}

export function guardsPart(guards: Guards): StatePart<GuardRecord[]> {
  return { name: 'guards', schema: z.array(guardRecord), snapshot: guards.snapshot, restore: guards.restore };
}
