import { expect, it } from '@jest/globals';
import { lastToEnd } from '../../src/hold/hold.ts';
import { createHolds } from '../../src/hold/holds.ts';
import { holdForOperations } from '../../src/hold/operation-holds.ts';
import { createStore } from '../../src/models/store.ts';
import { createGuards } from '../../src/unload/guards.ts';
import { createOperations } from '../../src/unload/operations.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { aRequest, GUARD_RULES } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** A router with one model, and operations that ask for a hold of ten minutes. */
function aRouter() {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const control = createScriptedControl(clock, store, 'attic', 'qwen');
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    () => {},
  );
  const operations = createOperations({ controls: () => [control], keep: () => [], guards, clock });
  const holds = createHolds(clock);
  holdForOperations(operations, holds, () => ({ max: 3600, enforce: false }), clock);
  const changes: string[] = [];
  holds.onChange(({ kind }) => changes.push(kind));
  return {
    clock,
    store,
    control,
    holds,
    changes,
    heldFor: () => (lastToEnd(holds.on('attic'))?.until ?? clock.now()) - clock.now(),
    release: () => holds.all().map(({ id }) => holds.release(id, 'alice')),
    unload: (wish: Partial<UnloadRequest> = {}) =>
      operations.start(aRequest({ holdMs: 10 * MINUTE, ...wish })).done,
    generate: () => control.doing.set('qwen', { kind: 'busy' }),
    finishGenerating: () => control.doing.delete('qwen'),
  };
}

it('the hold starts with the operation and lasts its full time from the end', async () => {
  const { clock, unload, heldFor, generate, finishGenerating } = aRouter();
  generate();
  const heldAtEnd = unload().then(heldFor);
  await clock.advance(2 * MINUTE);
  expect(heldFor()).toBe(8 * MINUTE);
  finishGenerating();
  await clock.advance(1000);
  expect(await heldAtEnd).toBe(10 * MINUTE);
});

it('an operation of less than a second places its hold once', async () => {
  const { clock, unload, heldFor, changes } = aRouter();
  const done = unload();
  await clock.advance(100);
  expect(await done).toMatchObject({ outcome: 'success', duration_seconds: 0.05 });
  expect([heldFor(), changes]).toEqual([10 * MINUTE - 100, ['placed']]);
});

it('a hold that was released during the operation is not placed again', async () => {
  const { clock, unload, release, heldFor, generate, finishGenerating } = aRouter();
  generate();
  const done = unload();
  await clock.advance(MINUTE);
  release();
  finishGenerating();
  await clock.advance(1000);
  expect([(await done).outcome, heldFor()]).toEqual(['success', 0]);
  const again = unload();
  await clock.advance(100);
  expect([(await again).outcome, heldFor()]).toEqual(['noop', 10 * MINUTE - 100]);
});

it('a later unload of the same caller renews the hold, and never shortens it', async () => {
  const { clock, unload, holds, heldFor, changes } = aRouter();
  for (const holdMs of [10 * MINUTE, 20 * MINUTE, MINUTE]) {
    const done = unload({ holdMs });
    await clock.advance(100);
    await done;
  }
  expect([holds.all().length, heldFor()]).toEqual([1, 20 * MINUTE - 200]);
  expect(changes).toEqual(['placed', 'renewed']);
});

it('the unload of another caller places a hold of its own', async () => {
  const { clock, unload, holds } = aRouter();
  const done = [unload(), unload({ caller: { name: 'bob' } })];
  await clock.advance(100);
  await Promise.all(done);
  expect(holds.all().map(({ holder }) => holder)).toEqual(['alice', 'bob']);
});
