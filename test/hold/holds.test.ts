import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { gateOf } from '../../src/hold/gate.ts';
import { onWall } from '../../src/hold/hold.ts';
import { createHolds } from '../../src/hold/holds.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** Holds, and in words what became of them. */
function holding() {
  const clock = createSteppedClock();
  const holds = createHolds(clock);
  const told: string[] = [];
  holds.onChange(({ kind, hold }) => told.push(`${hold.router} ${kind}`));
  const wish = (router: string, minutes: number, by = 'alice') => ({
    ...{ router, until: clock.now() + minutes * MINUTE, reason: '', by, enforce: false },
  });
  return { clock, holds, told, wish };
}

describe('a hold', () => {
  it('is placed, lengthened, released, and told of each time', () => {
    const { clock, holds, told, wish } = holding();
    const first = holds.place(wish('gpu-box', 5), true);
    expect(first).toEqual({ ...wish('gpu-box', 5), since: clock.now() });
    expect([holds.of('gpu-box'), holds.of('attic'), holds.all()]).toEqual([first, undefined, [first]]);
    clock.jump(MINUTE);
    const second = holds.place(wish('gpu-box', 9, 'bob'), false);
    expect(second).toEqual({ ...wish('gpu-box', 9, 'bob'), since: first.since });
    expect(holds.place(wish('gpu-box', 1), true)).toBe(second);
    expect(holds.release('gpu-box', 'carol')).toBe(second);
    expect(holds.release('gpu-box', 'carol')).toBeUndefined();
    expect(told).toEqual(['gpu-box placed', 'gpu-box placed', 'gpu-box released']);
    expect(clock.pending()).toBe(0);
  });

  it('ends by itself, each in its time, with one alarm for all', () => {
    const { clock, holds, told, wish } = holding();
    for (const [router, minutes] of [
      ['a', 180],
      ['b', 30],
      ['c', 90],
    ] as const) {
      holds.place(wish(router, minutes), true);
      expect(clock.pending()).toBe(1);
    }
    clock.jump(30 * MINUTE - 1);
    expect(told).toEqual(['a placed', 'b placed', 'c placed']);
    clock.jump(1);
    expect(told.slice(3)).toEqual(['b expired']);
    clock.jump(150 * MINUTE);
    expect(told.slice(4)).toEqual(['c expired', 'a expired']);
    expect([holds.all(), clock.pending()]).toEqual([[], 0]);
  });

  it('has another version after every change, and only then', () => {
    const { clock, holds, wish } = holding();
    const versions = [
      () => {},
      () => holds.place(wish('a', 5), true),
      () => holds.place(wish('a', 1, 'bob'), true),
      () => holds.of('a'),
      () => clock.jump(MINUTE),
      () => holds.release('b', 'alice'),
      () => clock.jump(4 * MINUTE),
    ].map((act) => {
      act();
      return holds.version();
    });
    expect(versions).toEqual([0, 1, 1, 1, 1, 1, 2]);
  });

  it('leaves nothing that keeps the process alive', () => {
    const { clock, holds, wish } = holding();
    holds.place(wish('a', 5), true);
    holds.stop();
    expect(clock.pending()).toBe(0);
  });

  it('of an earlier process goes on, told to nobody; what ended in the meantime is none', () => {
    const { clock, holds, told, wish } = holding();
    const since = clock.now() - MINUTE;
    const lasting = { ...wish('a', 5), since };
    holds.restore([lasting, { ...wish('b', 0), since }].map((hold) => onWall(hold, clock)));
    expect([holds.all(), told]).toEqual([[lasting], []]);
    clock.jump(5 * MINUTE);
    expect([holds.all(), told]).toEqual([[], ['a expired']]);
  });
});

it.each([
  ['forward by a day', 24 * 60 * MINUTE],
  ['back by a day', -24 * 60 * MINUTE],
])('setting the clock %s changes nothing about a hold but the times that are shown', (_, by) => {
  const { clock, holds, told, wish } = holding();
  holds.place(wish('a', 10), true);
  clock.set(clock.wall() + by);
  clock.jump(10 * MINUTE - 1);
  expect(holds.snapshot()).toMatchObject([{ until: clock.wall() + 1 }]);
  clock.jump(1);
  expect([holds.all(), told]).toEqual([[], ['a placed', 'a expired']]);
});

it('a hold that was saved while the clock was a year ahead lasts no longer than it was placed for', () => {
  const { clock, holds, wish } = holding();
  const year = 365 * 24 * 60 * MINUTE;
  const since = clock.wall() + year;
  holds.restore([{ ...wish('a', 0), since, until: since + 5 * MINUTE }]);
  expect(holds.all()).toMatchObject([{ until: clock.now() + 5 * MINUTE }]);
});

it('whatever is placed and released when, the gate is closed during a hold and open after its end', () => {
  const router = fc.constantFrom('a', 'b');
  const by = fc.constantFrom('alice', 'bob');
  const step = fc.oneof(
    fc.record({
      ...{ kind: fc.constant('place' as const), router, by, explicit: fc.boolean() },
      ms: fc.integer({ min: 1, max: 10 * MINUTE }),
    }),
    fc.record({ kind: fc.constant('release' as const), router, by }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5 * MINUTE }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, holds, told } = holding();
      /** Until when, in the simplest words there are. */
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
        const kinds = told.filter((one) => one.startsWith(name)).map((one) => one.split(' ')[1]);
        // Placed, perhaps again, then one end: never two ends in a row, never none.
        expect(kinds.join(' ')).toMatch(/^((placed )+(released|expired) ?)*$/);
      }
    }),
    { numRuns: 300 },
  );
});
