import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { gateOf, type HoldRequest, onWall } from '../../src/hold/hold.ts';
import { createHolds } from '../../src/hold/holds.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** Holds, and a record of their changes. */
function createRecordedHolds() {
  const clock = createSteppedClock();
  const holds = createHolds(clock);
  const changes: string[] = [];
  holds.onChange(({ kind, hold }) => changes.push(`${hold.router} ${kind}`));
  const request = (router: string, minutes: number, by = 'alice'): HoldRequest => ({
    router,
    until: clock.now() + minutes * MINUTE,
    reason: '',
    by,
    enforce: false,
  });
  return { clock, holds, changes, request };
}

describe('a hold', () => {
  it('is placed, extended and released; each change is reported once', () => {
    const { clock, holds, changes, request } = createRecordedHolds();
    const first = holds.place(request('gpu-box', 5), true);
    expect(first).toEqual({ ...request('gpu-box', 5), since: clock.now() });
    expect([holds.of('gpu-box'), holds.of('attic'), holds.all()]).toEqual([first, undefined, [first]]);
    clock.jump(MINUTE);
    const second = holds.place(request('gpu-box', 9, 'bob'), false);
    expect(second).toEqual({ ...request('gpu-box', 9, 'bob'), since: first.since });
    expect(holds.place(request('gpu-box', 1), true)).toBe(second);
    expect(holds.release('gpu-box', 'carol')).toBe(second);
    expect(holds.release('gpu-box', 'carol')).toBeUndefined();
    expect(changes).toEqual(['gpu-box placed', 'gpu-box placed', 'gpu-box released']);
    expect(clock.pending()).toBe(0);
  });

  it('expires at its time, with one timer for all holds', () => {
    const { clock, holds, changes, request } = createRecordedHolds();
    for (const [router, minutes] of [
      ['a', 180],
      ['b', 30],
      ['c', 90],
    ] as const) {
      holds.place(request(router, minutes), true);
      expect(clock.pending()).toBe(1);
    }
    clock.jump(30 * MINUTE - 1);
    expect(changes).toEqual(['a placed', 'b placed', 'c placed']);
    clock.jump(1);
    expect(changes.slice(3)).toEqual(['b expired']);
    clock.jump(150 * MINUTE);
    expect(changes.slice(4)).toEqual(['c expired', 'a expired']);
    expect([holds.all(), clock.pending()]).toEqual([[], 0]);
  });

  it('leaves no timer after stop', () => {
    const { clock, holds, request } = createRecordedHolds();
    holds.place(request('a', 5), true);
    holds.stop();
    expect(clock.pending()).toBe(0);
  });

  it('is restored without a change, unless it has expired', () => {
    const { clock, holds, changes, request } = createRecordedHolds();
    const since = clock.now() - MINUTE;
    const lasting = { ...request('a', 5), since };
    holds.restore([lasting, { ...request('b', 0), since }].map((hold) => onWall(hold, clock)));
    expect([holds.all(), changes]).toEqual([[lasting], []]);
    clock.jump(5 * MINUTE);
    expect([holds.all(), changes]).toEqual([[], ['a expired']]);
  });
});

it.each([
  ['forward by a day', 24 * 60 * MINUTE],
  ['back by a day', -24 * 60 * MINUTE],
])('setting the clock %s changes only the displayed times', (_, by) => {
  const { clock, holds, changes, request } = createRecordedHolds();
  holds.place(request('a', 10), true);
  clock.set(clock.wall() + by);
  clock.jump(10 * MINUTE - 1);
  expect(holds.snapshot()).toMatchObject([{ until: clock.wall() + 1 }]);
  clock.jump(1);
  expect([holds.all(), changes]).toEqual([[], ['a placed', 'a expired']]);
});

it('a hold saved while the clock was a year ahead lasts no longer than requested', () => {
  const { clock, holds, request } = createRecordedHolds();
  const year = 365 * 24 * 60 * MINUTE;
  const since = clock.wall() + year;
  holds.restore([{ ...request('a', 0), since, until: since + 5 * MINUTE }]);
  expect(holds.all()).toMatchObject([{ until: clock.now() + 5 * MINUTE }]);
});

it('the gate is closed during a hold and open otherwise, for any sequence of requests', () => {
  const router = fc.constantFrom('a', 'b');
  const by = fc.constantFrom('alice', 'bob');
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('place' as const),
      router,
      by,
      explicit: fc.boolean(),
      ms: fc.integer({ min: 1, max: 10 * MINUTE }),
    }),
    fc.record({ kind: fc.constant('release' as const), router, by }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5 * MINUTE }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, holds, changes } = createRecordedHolds();
      /** The expected holds. */
      const model = new Map<string, { until: number; by: string }>();
      for (const one of steps) {
        if (one.kind === 'pass') clock.jump(one.ms);
        else if (one.kind === 'release') {
          holds.release(one.router, one.by);
          model.delete(one.router);
        } else {
          const until = clock.now() + one.ms;
          holds.place({ router: one.router, until, reason: '', by: one.by, enforce: false }, one.explicit);
          const known = model.get(one.router);
          const standing = known && known.until > clock.now() ? known : undefined;
          const own = one.explicit && standing?.by === one.by;
          if (!standing || own || until > standing.until) model.set(one.router, { until, by: one.by });
        }
        for (const name of ['a', 'b']) {
          const wanted = (model.get(name)?.until ?? 0) > clock.now() ? 'closed' : 'open';
          const gate = gateOf(holds.of(name), undefined, clock);
          expect([name, gate.open ? 'open' : 'closed']).toEqual([name, wanted]);
        }
        expect(clock.pending()).toBe(holds.all().length > 0 ? 1 : 0);
      }
      clock.jump(11 * MINUTE);
      for (const name of ['a', 'b']) {
        const kinds = changes.filter((one) => one.startsWith(name)).map((one) => one.split(' ')[1]);
        // Placed, perhaps again, then one end: never two ends in a row, never none.
        expect(kinds.join(' ')).toMatch(/^((placed )+(released|expired) ?)*$/);
      }
    }),
    { numRuns: 300 },
  );
});
