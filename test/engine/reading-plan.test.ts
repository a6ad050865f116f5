import { describe, expect, it } from '@jest/globals';
import { nextRead } from '../../src/engine/reading-plan.ts';
import type { BuildClass, Lifecycle, ModelState, RouterState } from '../../src/models/router-state.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { aModel } from '../support/a-model.ts';

const NOW = 1_000_000;
const SECOND = 1000;

type Model = Partial<Lifecycle> & { id: string; sleepIdleSeconds?: number | undefined };

function aRouter(models: readonly Model[], more: Partial<RouterState> = {}): RouterState {
  const states = models.map(
    ({ sleepIdleSeconds, ...model }): ModelState => ({ ...aModel(model), sleepIdleSeconds }),
  );
  return {
    name: 'r',
    url: 'http://r',
    up: true,
    malformed: [],
    stream: 'connected',
    engineMetrics: 'unknown',
    readMode: 'auto',
    buildClass: 'reads_exempt',
    traits: ROUTER_TRAITS,
    props: { modelsMax: 2 },
    models: new Map(states.map((state) => [state.id, state])),
    ...more,
  };
}

/** In how many seconds `a` may be read; `now` if it may, `never` as long as nothing changes. */
function readIn(router: RouterState): number | 'now' | 'never' {
  const others = [...router.models.keys()].filter((id) => id !== 'a');
  const tried = new Map(others.map((id) => [id, { triedAt: NOW, hasNone: true }]));
  const next = nextRead(router, tried, NOW, { now: NOW, intervalMs: Number.POSITIVE_INFINITY });
  if ('model' in next) return 'now';
  return Number.isFinite(next.waitMs) ? next.waitMs / SECOND : 'never';
}

const loaded = (id: string, secondsAgo?: number): Model => ({
  id,
  status: 'loaded',
  since: secondsAgo === undefined ? undefined : NOW - secondsAgo * SECOND,
});
const other = (status: Lifecycle['status'], secondsAgo: number): Model => ({
  ...loaded('b', secondsAgo),
  status,
});

describe('a model is read', () => {
  it.each<[string, RouterState, number | 'now' | 'never']>([
    ['that was loaded before the exporter started', aRouter([loaded('a')]), 'now'],
    ['that was loaded a while ago', aRouter([loaded('a', 3)]), 'now'],
    ['three seconds after it was loaded', aRouter([loaded('a', 0.5)]), 2.5],
    ['only while it is loaded', aRouter([{ id: 'a', status: 'sleeping' }]), 'never'],
    ['not during its unload', aRouter([{ ...loaded('a'), unloadRequestedAt: NOW }]), 'never'],
    ['not while its router is down', aRouter([loaded('a')], { up: false }), 'never'],
    ['not without --metrics', aRouter([loaded('a')], { engineMetrics: 'disabled' }), 'never'],
    ['not with engine.read: off', aRouter([loaded('a')], { readMode: 'off' }), 'never'],
    ['on a full router that is quiet', aRouter([loaded('a', 60), loaded('b', 3)]), 'now'],
    ['three seconds after another load on a full router', aRouter([loaded('a', 60), loaded('b', 1)]), 2],
    ['not during a load on a full router', aRouter([loaded('a', 60), other('loading', 10)]), 50],
    ['but for a minute at most', aRouter([loaded('a', 600), other('loading', 60)]), 'now'],
    ['not when a place of a full router was vacated', aRouter([loaded('a', 60), other('unloaded', 1)]), 2],
    ['when it was vacated a while ago', aRouter([loaded('a', 60), other('unloaded', 3)]), 'now'],
    ['when another falls asleep on a full router', aRouter([loaded('a', 60), other('sleeping', 0)]), 'now'],
    [
      'during a load on a router with free places',
      aRouter([loaded('a', 60), other('loading', 0)], { props: { modelsMax: 3 } }),
      'now',
    ],
    [
      'during a load on a router without limit',
      aRouter([loaded('a', 60), other('loading', 0)], { props: { modelsMax: 0 } }),
      'now',
    ],
    ['not where the limit is unknown', aRouter([loaded('a', 60), other('loading', 0)], { props: {} }), 60],
  ])('%s', (_, router, expected) => expect(readIn(router)).toBe(expected));
});

describe('a model with an idle timer is read', () => {
  const timer = (
    sleepIdleSeconds: number | undefined,
    buildClass: BuildClass,
    readMode: RouterState['readMode'] = 'auto',
  ) => readIn(aRouter([{ ...loaded('a'), sleepIdleSeconds }], { buildClass, readMode }));

  it.each<[BuildClass, 'now' | 'never' | number]>([
    ['reads_exempt', 'now'],
    ['reads_restart_timers', 'never'],
    ['no_event_stream', 'never'],
    // Until its build is known.
    ['unknown', 1],
  ])('on a build of class %s: %s', (buildClass, expected) => {
    expect(timer(20, buildClass)).toBe(expected);
    // A router that lists no arguments does not show whether there is one.
    expect(timer(undefined, buildClass)).toBe(expected);
    expect(timer(0, buildClass)).toBe('now');
    expect(timer(20, buildClass, 'on')).toBe('now');
    expect(timer(0, buildClass, 'off')).toBe(expected === 'now' ? 'never' : expected);
  });
});

describe('the next read', () => {
  const plan = (router: RouterState, tried: Record<string, number>, pacedSecondsAgo = 1000) =>
    nextRead(
      router,
      new Map(Object.entries(tried).map(([id, ago]) => [id, { triedAt: NOW - ago * SECOND }])),
      NOW - pacedSecondsAgo * SECOND,
      { now: NOW, intervalMs: 12 * SECOND },
    );
  const unlimited = { props: { modelsMax: 0 } };
  const three = aRouter([loaded('a'), loaded('b'), loaded('c')], unlimited);

  it.each<[string, ReturnType<typeof plan>, ReturnType<typeof plan>]>([
    ['of nothing waits for the interval', plan(aRouter([]), {}), { waitMs: 12_000 }],
    ['waits until a model may be read', plan(aRouter([loaded('a', 1)]), {}), { waitMs: 2000 }],
    ['is of a model that was never read', plan(three, { a: 1000, b: 1 }), { model: 'c' }],
    ['is of the one whose last read is the oldest', plan(three, { a: 9, b: 11, c: 10 }), { model: 'b' }],
    ['waits for its share of the interval', plan(three, { a: 9, b: 11, c: 10 }, 1), { waitMs: 3000 }],
    ['of a single model waits for the interval', plan(aRouter([loaded('a')]), { a: 5 }), { waitMs: 7000 }],
    [
      'waits a second for the class of the build',
      plan(aRouter([], { buildClass: 'unknown' }), {}),
      { waitMs: 1000 },
    ],
  ])('%s', (_, next, expected) => expect(next).toEqual(expected));

  it('leaves out a model whose request is under way', () => {
    const tried = new Map([
      ['a', { triedAt: 0, request: {} }],
      ['b', { triedAt: NOW - 12 * SECOND }],
      ['c', { triedAt: NOW - 11 * SECOND }],
    ]);
    expect(nextRead(three, tried, 0, { now: NOW, intervalMs: 12 * SECOND })).toEqual({ model: 'b' });
  });
});
