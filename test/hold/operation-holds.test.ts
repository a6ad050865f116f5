import { expect, it } from '@jest/globals';
import { createHolds } from '../../src/hold/holds.ts';
import { holdForOperations } from '../../src/hold/operation-holds.ts';
import { createListeners } from '../../src/lib/listeners.ts';
import type { Operations } from '../../src/unload/operations.ts';
import type { Operation } from '../../src/unload/report.ts';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { aRequest } from '../support/a-request.ts';
import { anOperation } from '../support/an-operation.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** An operation that waits two minutes for a busy model on `attic`, and asks for ten minutes of hold. */
function aLongOperation() {
  const clock = createSteppedClock();
  const holds = createHolds(clock);
  const begun = createListeners<[string, UnloadRequest]>();
  const ended = createListeners<[Operation, UnloadRequest]>();
  const operations: Pick<Operations, 'onBegin' | 'onEnd'> = {
    onBegin: (listener) => begun.add((news) => listener(...news)),
    onEnd: (listener) => ended.add((news) => listener(...news)),
  };
  holdForOperations(operations as Operations, holds, () => ({ max: 3600, enforce: false }), clock);
  const request = { ...aRequest(), holdMs: 10 * MINUTE };
  const started_at = new Date(clock.now()).toISOString();
  begun.tell(['attic', request]);
  const end = () => {
    clock.jump(MINUTE);
    ended.tell([
      anOperation({ started_at, duration_seconds: 120, routers: [{ router: 'attic', models: [] }] }),
      request,
    ]);
  };
  clock.jump(MINUTE);
  return { clock, holds, end };
}

it('holds from the beginning, and for the whole time from the end on', () => {
  const { clock, holds, end } = aLongOperation();
  expect(holds.of('attic')?.until).toBe(clock.now() + 9 * MINUTE);
  end();
  expect(holds.of('attic')?.until).toBe(clock.now() + 10 * MINUTE);
  holds.stop();
});

it('a hold that was released while its operation was under way does not come back at the end', () => {
  const { holds, end } = aLongOperation();
  holds.release('attic', 'somebody');
  end();
  expect(holds.of('attic')).toBeUndefined();
});
