import { describe, expect, it } from '@jest/globals';
import {
  afterLoad,
  afterUnload,
  type GuardRules,
  type GuardState,
  judge,
  NO_HISTORY,
} from '../../src/unload/guards.ts';
import { TRIGGERS, type Trigger } from '../../src/unload/request.ts';

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;
const RULES: GuardRules = {
  cooldownMs: MINUTE,
  windowMs: 10 * MINUTE,
  loopCount: 3,
  pauseMinMs: 10 * MINUTE,
  pauseMaxMs: 45 * MINUTE,
};

describe('a request', () => {
  const justActed: GuardState = { automatic: [], actedAt: NOW - 20_000 };
  const inALoop: GuardState = {
    automatic: [],
    pause: { until: NOW + 90_500, ms: MINUTE, models: ['a', 'b'] },
  };
  const cooldown = {
    reason: 'cooldown',
    detail: 'the last unload was 20s ago; the cooldown is 1m',
    retry_after_seconds: 40,
  };
  const loop = {
    reason: 'reload_loop',
    detail:
      'automatic unloads are paused: a, b came back within 10m of each of the last ones. ' +
      'Find out which client loads them',
    retry_after_seconds: 91,
  };

  it.each<[string, Trigger, GuardState, unknown]>([
    ['of an alert without history', 'alertmanager', NO_HISTORY, undefined],
    ['of an alert in the cooldown', 'alertmanager', justActed, cooldown],
    ['of the policy in the cooldown', 'policy', justActed, cooldown],
    ['of an alert in a loop', 'alertmanager', inALoop, loop],
    ['of an alert in a loop and in the cooldown', 'alertmanager', { ...justActed, ...inALoop }, loop],
    ['of an alert after the cooldown', 'alertmanager', { automatic: [], actedAt: NOW - MINUTE }, undefined],
    [
      'of an alert after the pause',
      'alertmanager',
      { automatic: [], pause: { until: NOW, ms: 1, models: [] } },
      undefined,
    ],
  ])('%s', (_, trigger, state, refusal) => expect(judge(state, { trigger }, NOW, RULES)).toEqual(refusal));

  it.each(TRIGGERS.filter((trigger) => trigger !== 'alertmanager' && trigger !== 'policy'))(
    'of a person (%s) is never refused',
    (trigger) => expect(judge({ ...justActed, ...inALoop }, { trigger }, NOW, RULES)).toBeUndefined(),
  );

  it('that enforces a hold is exempt from the cooldown, but not from the pause of a loop', () => {
    const request = { trigger: 'policy', enforcesHold: true } as const;
    expect(judge(justActed, request, NOW, RULES)).toBeUndefined();
    expect(judge(inALoop, request, NOW, RULES)).toEqual(loop);
  });
});

/**
 * The loops that are detected: minute, length of the pause in minutes, models. Events are separated by commas:
 * minute, `alert` or `person` (an unload) or `back` (a load), models.
 */
function loopsIn(events: string): string[] {
  let state = NO_HISTORY;
  const loops: string[] = [];
  for (const event of events.split(', ')) {
    const [minute, what, ...models] = event.split(' ');
    const at = NOW + Number(minute) * MINUTE;
    if (what !== 'back') {
      state = afterUnload(state, { trigger: what === 'alert' ? 'alertmanager' : 'api' }, models, at, RULES);
      continue;
    }
    for (const model of models) {
      const next = afterLoad(state, model, at, RULES);
      state = next.state;
      if (next.loop) loops.push([minute, next.loop.ms / MINUTE, ...next.loop.models].join(' '));
    }
  }
  return loops;
}

it.each([
  [
    'after three automatic unloads in a row whose models came back within the window',
    '0 alert a, 1 back a, 5 alert a, 6 back a, 10 alert a b, 11 back b',
    ['11 10 a b'],
  ],
  [
    'once, even when several models come back',
    '0 alert a b, 1 back a b, 5 alert a, 6 back a, 10 alert a b, 11 back a b a',
    ['11 10 a b'],
  ],
  [
    'with a longer pause each time, up to a limit',
    '0 alert a, 1 back a, 5 alert a, 6 back a, 10 alert a, 11 back a, 25 alert a, 26 back a, ' +
      '50 alert a, 51 back a, 100 alert a, 101 back a, 150 alert a, 151 back a',
    ['11 10 a', '26 20 a', '51 40 a', '101 45 a', '151 45 a'],
  ],
  ['not after two unloads', '0 alert a, 1 back a, 5 alert a, 6 back a', []],
  [
    'not when one unload in between lasted',
    '0 alert a, 1 back a, 5 alert a, 20 alert a, 21 back a, 25 alert a, 26 back a',
    [],
  ],
  [
    'not when models come back after the window',
    '0 alert a, 11 back a, 15 alert a, 26 back a, 30 alert a, 41 back a',
    [],
  ],
  ['not when other models are loaded', '0 alert a, 1 back b, 5 alert a, 6 back b, 10 alert a, 11 back b', []],
  ['not from unloads by a person', '0 person a, 1 back a, 5 person a, 6 back a, 10 person a, 11 back a', []],
  [
    'with the first pause again after an unload that lasted',
    '0 alert a, 1 back a, 5 alert a, 6 back a, 10 alert a, 11 back a, 30 alert a, ' +
      '60 alert a, 61 back a, 65 alert a, 66 back a, 70 alert a, 71 back a',
    ['11 10 a', '71 10 a'],
  ],
])('a reload loop is detected %s', (_, events, loops) => expect(loopsIn(events)).toEqual(loops));
