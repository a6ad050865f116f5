import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import type { Hold } from '../../src/hold/hold.ts';
import type { IdleRule } from '../../src/idle/scheduler.ts';
import { startIdleScheduler } from '../../src/idle/scheduler.ts';
import { failed } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import { startService } from '../../src/service.ts';
import { createGuards } from '../../src/unload/guards.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { aHold } from '../support/a-hold.ts';
import { aLog } from '../support/a-log.ts';
import { begun, turned } from '../support/a-model.ts';
import { GUARD_RULES } from '../support/a-request.ts';
import { NO_MEMORY } from '../support/app-parts.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;
const defaults = loadConfig({ env: {}, flags: {} });
const all = (after: number): IdleRule => ({ models: [], after });
const only = (model: string, after: number): IdleRule => ({ models: [model], after });

/** A router with three idle models, and a scheduler that looks at it every five seconds. */
function aRouter(idle: IdleRule[], hold?: Hold) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 10 * MINUTE });
  const control = createScriptedControl(clock, store, 'box', 'a', 'b', 'kept');
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    () => {},
  );
  store.onTransition(guards.observe);
  const keep = () => ['kept'];
  const operations = createOperations({ controls: () => [control], keep, guards, clock });
  /** When each request was made, and for which models. */
  const requests: { at: number; request: UnloadRequest }[] = [];
  const start = clock.now();
  const scheduler = startIdleScheduler({
    store,
    holds: { on: () => (hold ? [hold] : []) },
    operations: {
      start(request) {
        requests.push({ at: clock.now() - start, request });
        return operations.start(request);
      },
    },
    keep,
    config: () => ({ ...defaults, policy: { idle, interval: 5, hold_grace: 10 } }),
    clock,
  });
  const becomeIdle = (model: string) =>
    control.entry.activity(model, { busy: false, work: 1, watchedAt: clock.now() });
  for (const model of ['a', 'b', 'kept']) becomeIdle(model);
  return {
    clock,
    store,
    control,
    operations,
    requests,
    scheduler,
    /** Seconds at which an unload of this model was requested. */
    triedAt: (model: string) =>
      requests.flatMap(({ at, request }) => (request.selection.models.includes(model) ? [at / 1000] : [])),
    reload(model: string) {
      control.entry.event(begun(model));
      control.entry.event(turned(model, 'loaded'));
      becomeIdle(model);
    },
  };
}

const enforcedHold = aHold(createSteppedClock().now() + 3_580_000, { enforce: true });

describe('the idle policy', () => {
  it('unloads idle models that are not on the keep list, once', async () => {
    const { clock, control, operations, scheduler } = aRouter([all(120)]);
    await clock.advance(2 * MINUTE - 1);
    expect(control.ordered).toEqual([]);
    await clock.advance(60 * MINUTE);
    scheduler.stop();
    expect(control.ordered).toEqual(['a', 'b']);
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

  it('does not unload a model that is busy when it is probed', async () => {
    const { clock, control, scheduler } = aRouter([all(120)]);
    control.doing.set('a', { kind: 'busy' });
    await clock.advance(3 * MINUTE);
    scheduler.stop();
    expect(control.ordered).toEqual(['b']);
  });

  it('waits for the cooldown after one refusal', async () => {
    const { clock, control, triedAt, scheduler, reload } = aRouter([all(10)]);
    await clock.advance(15_000);
    reload('a');
    await clock.advance(80_000);
    scheduler.stop();
    expect(triedAt('a')).toEqual([10, 25, 75]);
    expect(control.ordered).toEqual(['a', 'b', 'a']);
  });

  it('waits a minute after a failed unload', async () => {
    const { clock, control, triedAt, scheduler } = aRouter([only('a', 10)]);
    control.order = async () => failed(UNREACHABLE);
    await clock.advance(80_000);
    scheduler.stop();
    expect(triedAt('a')).toEqual([10, 70]);
  });

  it('waits a minute after a failed unload when the unload of a second rule succeeds', async () => {
    const { clock, control, triedAt, scheduler } = aRouter([only('a', 10), only('b', 10)]);
    const { order } = control;
    control.order = async (model) => (model === 'a' ? failed(UNREACHABLE) : order(model));
    await clock.advance(65_000);
    scheduler.stop();
    expect(control.ordered).toEqual(['a', 'b']);
    expect(triedAt('a')).toEqual([10]);
  });

  it('is not stopped by setting the system clock back an hour', async () => {
    const { clock, control, scheduler } = aRouter([all(120)]);
    await clock.advance(MINUTE);
    clock.set(clock.wall() - 60 * MINUTE);
    await clock.advance(MINUTE + 5000);
    scheduler.stop();
    expect(control.ordered).toEqual(['a', 'b']);
  });

  it('forgets the pause of a router that was removed', async () => {
    const { clock, store, control, triedAt, scheduler } = aRouter([only('a', 10)]);
    control.order = async () => failed(UNREACHABLE);
    await clock.advance(12_000);
    store.remove('box');
    await clock.advance(5000);
    const again = createScriptedControl(clock, store, 'box', 'a');
    again.entry.activity('a', { busy: false, work: 1, watchedAt: clock.now() });
    await clock.advance(15_000);
    scheduler.stop();
    expect(triedAt('a')).toEqual([10, 30]);
  });

  it('requests nothing without a rule, nor on a router that is down', async () => {
    const withoutRule = aRouter([]);
    const down = aRouter([all(60)]);
    down.control.entry.failed({ kind: 'unreachable', message: 'gone' });
    for (const { clock, scheduler, requests } of [withoutRule, down]) {
      await clock.advance(60 * MINUTE);
      scheduler.stop();
      expect(requests).toEqual([]);
    }
  });
});

describe('an enforced hold', () => {
  it('unloads idle models again that are loaded during it, regardless of the cooldown', async () => {
    const { clock, control, requests, scheduler, reload } = aRouter([], enforcedHold);
    await clock.advance(15_000);
    expect(control.ordered).toEqual(['a', 'b']);
    reload('a');
    await clock.advance(15_000);
    scheduler.stop();
    expect(control.ordered).toEqual(['a', 'b', 'a']);
    expect(requests.at(-1)?.request).toMatchObject({
      trigger: 'policy',
      enforcesHold: true,
      reason: 'enforces the hold until 23:13 UTC',
      whenBusy: 'skip',
    });
  });

  it('never unloads a busy model', async () => {
    const { clock, control, scheduler } = aRouter([], enforcedHold);
    control.entry.activity('a', { busy: true, work: 1, watchedAt: 0, lastAt: clock.now() });
    control.doing.set('b', { kind: 'busy' });
    await clock.advance(10 * MINUTE);
    scheduler.stop();
    expect(control.ordered).toEqual([]);
  });
});

it('a hold without enforcement unloads nothing', async () => {
  const { clock, control, scheduler } = aRouter([], { ...enforcedHold, enforce: false });
  await clock.advance(10 * MINUTE);
  scheduler.stop();
  expect(control.ordered).toEqual([]);
});

it('the service runs the scheduler with its configuration and keep list', async () => {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const control = createScriptedControl(clock, store, 'box', 'a', 'kept');
  const current: Config = {
    ...defaults,
    routers: [],
    web: { ...defaults.web, listen_address: [{ host: '127.0.0.1', port: 0 }] },
    unload: { ...defaults.unload, keep: ['kept'] },
    policy: { idle: [all(60)], interval: 5, hold_grace: 10 },
  };
  const fleet = createFleet(clock, { readEngine: false });
  const service = await startService({
    config: { current, reload: () => ({ ok: true, value: current }) },
    log: aLog(),
    version: '1.2.3',
    clock,
    memory: NO_MEMORY,
    fleet: { ...fleet, store, controls: () => [control] },
  });
  for (const model of ['a', 'kept']) {
    control.entry.activity(model, { busy: false, work: 1, watchedAt: clock.now() });
  }
  await clock.advance(MINUTE + 5000);
  expect(control.ordered).toEqual(['a']);
  await service.stop();
  expect(clock.pending()).toBe(0);
});
