import { expect, it } from '@jest/globals';
import { createHolds } from '../../src/hold/holds.ts';
import { holdForOperations } from '../../src/hold/operation-holds.ts';
import { createStore } from '../../src/models/store.ts';
import { createGuards } from '../../src/unload/guards.ts';
import { createOperations } from '../../src/unload/operations.ts';
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
  holdForOperations(operations, holds, store, () => ({ max: 3600, enforce: false }), clock);
  const changes: string[] = [];
  holds.onChange(({ kind }) => changes.push(kind));
  return {
    clock,
    store,
    control,
    holds,
    changes,
    heldFor: () => (holds.of('attic')?.until ?? clock.now()) - clock.now(),
    unload: () => operations.start(aRequest({ holdMs: 10 * MINUTE })).done,
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
  const { clock, unload, holds, heldFor, generate, finishGenerating } = aRouter();
  generate();
  const done = unload();
  await clock.advance(MINUTE);
  holds.release('attic', 'alice');
  finishGenerating();
  await clock.advance(1000);
  expect([(await done).outcome, heldFor()]).toEqual(['success', 0]);
  const again = unload();
  await clock.advance(100);
  expect([(await again).outcome, heldFor()]).toEqual(['noop', 10 * MINUTE - 100]);
});

it('a release is forgotten when its router is removed', async () => {
  const { clock, store, unload, holds, heldFor, generate, finishGenerating } = aRouter();
  generate();
  const done = unload();
  await clock.advance(MINUTE);
  holds.release('attic', 'alice');
  store.remove('attic');
  finishGenerating();
  await clock.advance(1000);
  await done;
  expect(heldFor()).toBeGreaterThan(0);
});
