import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { gateOf, type HoldRequest, onWall } from '../../src/hold/hold.ts';
import { createHolds } from '../../src/hold/holds.ts';
import { aHold, aHoldRequest } from '../support/a-hold.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const MINUTE = 60_000;

/** Holds, and a record of their changes. */
function createRecordedHolds() {
  const clock = createSteppedClock();
  const holds = createHolds(clock);
  const changes: string[] = [];
  holds.onChange(({ kind, hold }) => changes.push(`${hold.routers} ${kind}`));
  const request = (router: string, minutes: number, given: Partial<HoldRequest> = {}) =>
    aHoldRequest(clock.now() + minutes * MINUTE, { routers: [router], ...given });
  return { clock, holds, changes, request };
}

describe('a hold', () => {
  it('is placed, renewed and released; each change is reported once', () => {
    const { clock, holds, changes, request } = createRecordedHolds();
    const first = holds.place(request('gpu-box', 5));
    expect(first).toEqual({
      ...request('gpu-box', 5),
      id: expect.any(String),
      since: clock.now(),
      state: 'active',
    });
    expect([holds.on('gpu-box'), holds.on('attic'), holds.all()]).toEqual([[first], [], [first]]);
    clock.jump(MINUTE);
    const renewed = holds.renew(first.id, clock.now() + 9 * MINUTE);
    expect(renewed).toEqual({ ...first, until: clock.now() + 9 * MINUTE });
    expect(holds.release(first.id, 'carol')).toEqual({ ...renewed, state: 'ended' });
    expect(holds.release(first.id, 'carol')).toBeUndefined();
    expect(holds.renew(first.id, clock.now() + MINUTE)).toBeUndefined();
    expect(holds.get(first.id)).toMatchObject({ state: 'ended' });
    expect(changes).toEqual(['gpu-box placed', 'gpu-box renewed', 'gpu-box released']);
    expect(clock.pending()).toBe(0);
  });

  it('stands next to others on the same router: the end of one ends no other', () => {
    const { holds, request } = createRecordedHolds();
    const mine = holds.place(request('gpu-box', 5));
    const yours = holds.place(request('gpu-box', 9, { routers: ['gpu-box', 'attic'], holder: 'bob' }));
    expect(holds.on('gpu-box')).toEqual([mine, yours]);
    expect(holds.on('attic')).toEqual([yours]);
    holds.release(mine.id, 'alice');
    expect(holds.on('gpu-box')).toEqual([yours]);
  });

  it.each<[string, string | undefined, object]>([
    ['is active when its memory is free', undefined, { state: 'active' }],
    ['fails when it is not', 'tiny-a is busy', { state: 'failed', why: 'tiny-a is busy' }],
  ])('%s', (_, why, outcome) => {
    const { holds, changes, request } = createRecordedHolds();
    const { id, state } = holds.place(request('gpu-box', 5, { unload: 'all' }));
    expect([state, holds.on('gpu-box')]).toMatchObject(['preparing', [{ id }]]);
    holds.finishPreparation(id, why);
    holds.finishPreparation(id, 'again');
    expect(holds.get(id)).toMatchObject(outcome);
    expect(holds.on('gpu-box')).toHaveLength(why === undefined ? 1 : 0);
    expect(changes).toEqual(['gpu-box placed', `gpu-box ${why === undefined ? 'active' : 'failed'}`]);
  });

  it('that was released during its preparation stays released', () => {
    const { holds, request } = createRecordedHolds();
    const { id } = holds.place(request('gpu-box', 5, { unload: 'all' }));
    holds.release(id, 'alice');
    holds.finishPreparation(id, undefined);
    expect(holds.get(id)).toMatchObject({ state: 'ended' });
  });

  it('expires at its time, with one timer for all holds', () => {
    const { clock, holds, changes, request } = createRecordedHolds();
    for (const [router, minutes] of [
      ['a', 180],
      ['b', 30],
      ['c', 90],
    ] as const) {
      holds.place(request(router, minutes));
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
    holds.place(request('a', 5));
    holds.stop();
    expect(clock.pending()).toBe(0);
  });

  it('is restored without a change; one that has expired meanwhile expires at the start', () => {
    const { clock, holds, changes } = createRecordedHolds();
    const lasting = aHold(clock.now() + 5 * MINUTE, { routers: ['a'] });
    const late = aHold(clock.now(), { routers: ['b'], id: '8a0b2a35-3d6f-4c1e-8d6c-2a7b1f0a9f10' });
    holds.restore([lasting, late].map((hold) => onWall(hold, clock)));
    expect([holds.all(), changes]).toEqual([[lasting], []]);
    holds.start();
    expect(changes).toEqual(['b expired']);
    clock.jump(5 * MINUTE);
    expect([holds.all(), changes]).toEqual([[], ['b expired', 'a expired']]);
  });

  it('can be looked up after its end, among the last hundred', () => {
    const { holds, request } = createRecordedHolds();
    const ids = Array.from({ length: 101 }, () => holds.place(request('a', 5)).id);
    for (const id of ids) holds.release(id, 'alice');
    expect(ids.filter((id) => holds.get(id) === undefined)).toEqual([ids[0]]);
  });
});

it.each([
  ['forward by a day', 24 * 60 * MINUTE],
  ['back by a day', -24 * 60 * MINUTE],
])('setting the clock %s changes only the displayed times', (_, by) => {
  const { clock, holds, changes, request } = createRecordedHolds();
  holds.place(request('a', 10));
  clock.set(clock.wall() + by);
  clock.jump(10 * MINUTE - 1);
  expect(holds.snapshot()).toMatchObject([{ until: clock.wall() + 1 }]);
  clock.jump(1);
  expect([holds.all(), changes]).toEqual([[], ['a placed', 'a expired']]);
});

it('a hold saved while the clock was a year ahead lasts no longer than requested', () => {
  const { clock, holds } = createRecordedHolds();
  const year = 365 * 24 * 60 * MINUTE;
  const since = clock.wall() + year;
  holds.restore([aHold(since + 5 * MINUTE, { since })]);
  expect(holds.all()).toMatchObject([{ until: clock.now() + 5 * MINUTE }]);
});

it('the gate is closed while a hold stands and open otherwise, for any sequence of requests', () => {
  const router = fc.constantFrom('a', 'b');
  const nth = fc.nat({ max: 5 });
  const ms = fc.integer({ min: 1, max: 10 * MINUTE });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('place' as const), routers: fc.uniqueArray(router, { minLength: 1 }), ms }),
    fc.record({ kind: fc.constant('renew' as const), nth, ms }),
    fc.record({ kind: fc.constant('release' as const), nth }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5 * MINUTE }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, holds } = createRecordedHolds();
      const ends = new Map<string, number>();
      holds.onChange(({ kind, hold: { id } }) => {
        if (kind === 'released' || kind === 'expired') ends.set(id, (ends.get(id) ?? 0) + 1);
      });
      /** The expected holds. */
      const model: { id: string; routers: readonly string[]; until: number }[] = [];
      const stands = (each?: { until: number }) => each !== undefined && each.until > clock.now();
      for (const one of steps) {
        const known = 'nth' in one ? model[one.nth] : undefined;
        if (one.kind === 'pass') clock.jump(one.ms);
        else if (one.kind === 'place') {
          const until = clock.now() + one.ms;
          const { id } = holds.place(aHoldRequest(until, { routers: one.routers }));
          model.push({ id, routers: one.routers, until });
        } else if (known === undefined) continue;
        else if (one.kind === 'release') {
          expect(holds.release(known.id, 'alice') !== undefined).toBe(stands(known));
          known.until = Math.min(known.until, clock.now());
        } else {
          const until = clock.now() + one.ms;
          expect(holds.renew(known.id, until) !== undefined).toBe(stands(known));
          if (stands(known)) known.until = until;
        }
        for (const name of ['a', 'b']) {
          const wanted = model.some((each) => each.routers.includes(name) && stands(each));
          expect([name, gateOf(name, holds.on(name), undefined, clock) !== undefined]).toEqual([
            name,
            wanted,
          ]);
        }
        expect(clock.pending()).toBe(holds.all().length > 0 ? 1 : 0);
      }
      clock.jump(11 * MINUTE);
      // Each ends once.
      expect([...ends]).toEqual(expect.arrayContaining(model.map(({ id }) => [id, 1])));
    }),
    { numRuns: 300 },
  );
});
