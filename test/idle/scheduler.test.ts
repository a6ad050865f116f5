import { describe, expect, it } from '@jest/globals';
import type { Hold } from '../../src/hold/hold.ts';
import { startIdleScheduler } from '../../src/idle/scheduler.ts';
import { createStore } from '../../src/models/store.ts';
import { createGuards } from '../../src/unload/guards.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { begun, recordDeeds, turned } from '../support/a-model.ts';
import { createScriptedHands } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** A router with three idle models, and a sweeper that looks every five seconds. */
function aRouter(afterMs: number | undefined, more: { keep?: string[]; hold?: Hold } = {}) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 10 * MINUTE });
  const hands = createScriptedHands(clock, store, 'box', 'a', 'b', 'kept');
  const operationMetrics = recordDeeds(store);
  const rules = {
    cooldownMs: MINUTE,
    windowMs: 10 * MINUTE,
    loopCount: 3,
    pauseMinMs: MINUTE,
    pauseMaxMs: MINUTE,
  };
  const guards = createGuards(
    clock,
    () => rules,
    () => {},
  );
  store.onTransition(guards.heed);
  const keep = () => more.keep ?? ['kept'];
  const operations = createOperations({ hands: () => [hands], keep, guards, clock });
  const requests: UnloadRequest[] = [];
  const idleScheduler = startIdleScheduler({
    routers: store.routers,
    holdOf: () => more.hold,
    keep,
    rules: () => ({
      intervalMs: 5000,
      idle: afterMs === undefined ? [] : [{ models: [], afterMs }],
      holdGraceMs: 10_000,
    }),
    terms: () => ({ busyTimeoutMs: 1000, timeoutMs: 60_000 }),
    start(request) {
      requests.push(request);
      return operations.start(request);
    },
    clock,
  });
  const idle = (model: string) =>
    hands.entry.activity(model, () => ({ busy: false, work: 1, watchedAt: clock.now() }));
  for (const model of ['a', 'b', 'kept']) idle(model);
  return { clock, hands, operationMetrics, operations, requests, idleScheduler, idle };
}

const aHold: Hold = {
  router: 'box',
  since: 0,
  until: createSteppedClock().now() + 3_580_000,
  reason: '',
  by: 'me',
  enforce: true,
};

describe('the idle policy', () => {
  it('unloads what has been idle for too long, and nothing that is to be kept', async () => {
    const { clock, operationMetrics, operations, idleScheduler } = aRouter(2 * MINUTE);
    await clock.advance(2 * MINUTE - 5000);
    expect(operationMetrics).toEqual([]);
    await clock.advance(10_000);
    expect(operationMetrics).toEqual(['a requested while loaded', 'b requested while loaded']);
    await clock.advance(60 * MINUTE);
    idleScheduler.stop();
    expect(operations.list()).toMatchObject([
      {
        trigger: 'policy',
        caller: { name: 'policy' },
        reason: 'idle for 2m',
        outcome: 'success',
        when_busy: 'skip',
      },
    ]);
    expect(clock.pending()).toBe(0);
  });

  it('leaves alone what turns out to be in use', async () => {
    const { clock, hands, operationMetrics, idleScheduler } = aRouter(2 * MINUTE);
    hands.doing.set('a', { kind: 'busy' });
    await clock.advance(3 * MINUTE);
    idleScheduler.stop();
    expect(operationMetrics).toEqual(['b requested while loaded']);
  });

  it('waits for the cooldown without asking again and again', async () => {
    const { clock, hands, requests, idleScheduler, idle } = aRouter(10_000);
    await clock.advance(15_000);
    expect(requests).toHaveLength(1);
    hands.entry.event(begun('a'));
    hands.entry.event(turned('a', 'loaded'));
    idle('a');
    await clock.advance(20_000);
    expect(requests).toHaveLength(2); // One refusal, which said when to come back.
    await clock.advance(60_000);
    idleScheduler.stop();
    expect(requests).toHaveLength(3);
    expect(hands.ordered).toEqual(['a', 'b', 'a']);
  });

  it('does nothing without a rule, and nothing on a router that is down', async () => {
    const off = aRouter(undefined);
    await off.clock.advance(60 * MINUTE);
    off.idleScheduler.stop();
    const down = aRouter(MINUTE);
    down.hands.entry.failed({ kind: 'unreachable', message: 'gone' });
    await down.clock.advance(60 * MINUTE);
    down.idleScheduler.stop();
    expect([off.requests, down.requests]).toEqual([[], []]);
  });
});

describe('an enforced hold', () => {
  it('unloads again what was loaded and is idle, soon and in spite of the cooldown', async () => {
    const { clock, hands, requests, idleScheduler, idle } = aRouter(undefined, { hold: aHold });
    await clock.advance(15_000);
    expect(hands.ordered).toEqual(['a', 'b']);
    hands.entry.event(begun('a'));
    hands.entry.event(turned('a', 'loaded'));
    idle('a');
    await clock.advance(15_000);
    idleScheduler.stop();
    expect(hands.ordered).toEqual(['a', 'b', 'a']);
    expect(requests.at(-1)).toMatchObject({
      trigger: 'policy',
      enforcesHold: true,
      reason: 'memory is kept free until 23:13 UTC',
      whenBusy: 'skip',
    });
  });

  it('never unloads what is generating', async () => {
    const { clock, hands, idleScheduler } = aRouter(undefined, { hold: aHold });
    hands.entry.activity('a', () => ({ busy: true, work: 1, watchedAt: 0, lastAt: clock.now() }));
    hands.doing.set('b', { kind: 'busy' });
    await clock.advance(10 * MINUTE);
    idleScheduler.stop();
    expect(hands.ordered).toEqual([]);
  });

  it('that is not enforced unloads nothing', async () => {
    const { clock, hands, idleScheduler } = aRouter(undefined, { hold: { ...aHold, enforce: false } });
    await clock.advance(10 * MINUTE);
    idleScheduler.stop();
    expect(hands.ordered).toEqual([]);
  });
});
