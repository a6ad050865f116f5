import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Listing, RouterEvent } from '../../src/models/feed.ts';
import type { Change } from '../../src/models/router-state.ts';
import { createStore } from '../../src/models/store.ts';
import { addRouter, type DrivenRouter } from '../support/driven-router.ts';
import {
  createTrueRouter,
  isUp,
  NOTHING,
  type Router,
  statusOf,
  type Tally,
} from '../support/router-truth.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';

const IDS = ['a', 'b', 'c'];
const RUNS = { numRuns: 500 };
/** A busy machine takes longer than the default. */
jest.setTimeout(30_000);

const modelsMax = fc.integer({ min: 1, max: IDS.length });
/** One of the things that may happen to a model when its turn comes. */
const chance = fc.record({ model: fc.nat({ max: IDS.length - 1 }), pick: fc.nat({ max: 99 }) });
type Chance = { model: number; pick: number };

describe('with every event, in order', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: chance },
    { weight: 1, arbitrary: fc.constantFrom('listing' as const, 'refused' as const) },
  );

  it('every counter is exactly the truth', () => {
    fc.assert(
      fc.property(modelsMax, fc.array(step, { maxLength: 60 }), (max, steps) => {
        const { router, entry, clock, changes } = follow(max);
        for (const next of steps) {
          // An external unload on a full router differs from an eviction by the time until the next start.
          clock.jump(1000);
          if (next === 'listing') entry.listed(router.listing());
          else if (next === 'refused') for (const id of IDS) entry.markUnloadPending(id)();
          else deliver(entry, clock, happen(next, router, entry));
        }
        clock.jump(1000);
        expect(statusesIn(entry)).toEqual(statusesOf(router));
        expect(router.models.map(({ id }) => tally(changes.get(id) ?? []))).toEqual(
          router.models.map(({ done }) => done),
        );
      }),
      RUNS,
    );
  });
});

describe('with gaps in the stream, each followed by a listing', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: chance },
    { weight: 1, arbitrary: fc.constantFrom('lose' as const, 'restart' as const) },
    { weight: 1, arbitrary: fc.constant('listing' as const) },
  );
  const gaps = fc.array(step, { maxLength: 60 });

  it('the status is the truth, and no counter is more than it', () => {
    fc.assert(
      fc.property(modelsMax, gaps, (max, steps) => {
        const { router, entry, changes } = followWithGaps(max, [...steps, 'listing']);
        expect(statusesIn(entry)).toEqual(statusesOf(router));
        const overcounted = router.models.filter(({ id, done }) => {
          const counted = tally(changes.get(id) ?? []);
          return counted.loads > done.loads || unloads(counted) > unloads(done);
        });
        expect(overcounted).toEqual([]);
      }),
      RUNS,
    );
  });

  it('each load has at most one unload, each unload one load before it, and a load without one is in memory', () => {
    fc.assert(
      fc.property(modelsMax, gaps, (max, steps) => {
        const { router, changes } = followWithGaps(max, [...steps, 'listing']);
        for (const truth of router.models) {
          let up = false;
          for (const change of changes.get(truth.id) ?? []) {
            if (change.kind === 'loaded') {
              if (up) throw new Error(`${truth.id} was loaded twice`);
              up = true;
            } else if (change.kind === 'unloaded') {
              if (!up) expect(change).toEqual({ kind: 'unloaded', reason: 'requested', from: 'loading' });
              up = false;
            }
          }
          // Without its process to compare, a load under way may pass for a wake, and the reverse.
          if (statusOf(truth.process) !== 'loading' && up !== isUp(truth)) {
            throw new Error(`${truth.id} is ${up ? 'not ' : ''}in memory`);
          }
        }
      }),
      RUNS,
    );
  });

  function followWithGaps(max: number, steps: readonly (Chance | 'lose' | 'restart' | 'listing')[]) {
    const followed = follow(max);
    const { router, entry, clock } = followed;
    let lost = false;
    for (const next of steps) {
      clock.jump(1000);
      if (next === 'lose') {
        lost = true;
      } else if (next === 'restart') {
        lost = true;
        router.restart();
      } else if (next === 'listing') {
        lost = false;
        entry.listed(router.listing());
      } else {
        const events = happen(next, router, entry);
        if (!lost) deliver(entry, clock, events);
      }
    }
    clock.jump(1000);
    return followed;
  }
});

describe('with listings and events in another order', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: chance },
    { weight: 3, arbitrary: fc.record({ hear: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.constantFrom('answer' as const, 'apply' as const) },
  );

  it('the status is the truth as soon as everything has arrived', () => {
    fc.assert(
      fc.property(modelsMax, fc.array(step, { maxLength: 80 }), (max, steps) => {
        const { router, entry, clock } = follow(max);
        const underway: RouterEvent[] = [];
        let answer: Listing | undefined;
        let newer = new Set<string>();
        const hear = () => {
          const event = underway.shift();
          if (event?.kind !== 'status') return;
          newer.add(event.model);
          entry.event(event);
        };
        const apply = () => {
          if (answer) entry.listed(answer, newer);
          answer = undefined;
        };
        for (const next of steps) {
          clock.jump(20);
          if (next === 'answer') {
            answer = router.listing();
            newer = new Set();
          } else if (next === 'apply') {
            apply();
          } else if ('hear' in next) {
            for (let n = 0; n < next.hear; n += 1) hear();
          } else {
            underway.push(...happen(next, router, entry));
          }
        }
        apply();
        while (underway.length > 0) hear();
        expect(statusesIn(entry)).toEqual(statusesOf(router));
        entry.listed(router.listing());
        expect(statusesIn(entry)).toEqual(statusesOf(router));
      }),
      RUNS,
    );
  });
});

describe('with listings alone', () => {
  /** Before the first listing, between listings. */
  const stories = fc.tuple(
    modelsMax,
    fc.array(chance, { maxLength: 10 }),
    fc.array(fc.array(chance, { maxLength: 4 }), { maxLength: 30 }),
  );

  it('no counter is more than the truth, and none of those that listings cannot tell apart is more than both', () => {
    fc.assert(
      fc.property(stories, ([max, earlier, steps]) => {
        const overcounted = poll(max, earlier, steps).flatMap(({ counted, done }) => [
          ...(['loads', 'sleeps', 'wakes', 'requested', 'external', 'crashed'] as const).filter(
            (name) => counted[name] > done[name],
          ),
          ...(counted.evicted > done.evicted + done.external ? ['evicted'] : []),
          ...(counted.failures > done.failures + done.crashed ? ['failures'] : []),
          ...(unloads(counted) > unloads(done) ? ['unloads'] : []),
        ]);
        expect(overcounted).toEqual([]);
      }),
      RUNS,
    );
  });

  it('after each change, every counter is exactly the truth', () => {
    fc.assert(
      fc.property(modelsMax, fc.array(chance, { maxLength: 60 }), (max, steps) => {
        const each = steps.map((step) => [step]);
        const polled = poll(max, [], each);
        expect(polled.map(({ counted }) => counted)).toEqual(polled.map(({ done }) => done));
      }),
      RUNS,
    );
  });

  /** The counters of each model and the truth, since the first listing. */
  function poll(max: number, earlier: readonly Chance[], steps: readonly (readonly Chance[])[]) {
    const { router, entry, clock, changes } = follow(max, false); // A listing shows a kill for an eviction as a crash.
    for (const next of earlier) happen(next, router, entry);
    for (const id of IDS) entry.state.models.delete(id);
    entry.listed(router.listing());
    const start = router.models.map(({ done }) => ({ ...done }));
    for (const list of changes.values()) list.length = 0;
    for (const between of steps) {
      for (const next of between) {
        // An operation acts on a listing of its own.
        if (isRequest(next, router)) entry.listed(router.listing());
        happen(next, router, entry);
      }
      clock.jump(1000);
      entry.listed(router.listing());
    }
    expect(statusesIn(entry)).toEqual(statusesOf(router));
    return router.models.map(({ id, done }, index) => {
      const counted = tally(changes.get(id) ?? []);
      return { counted, done: since(done, start[index] ?? NOTHING) };
    });
  }

  function isRequest({ model, pick }: Chance, router: Router): boolean {
    const possible = router.possible(model);
    const action = possible[pick % possible.length];
    return action?.do === 'unload' && action.by === 'us';
  }

  function since(done: Tally, start: Tally): Tally {
    const entries = Object.entries(done) as [keyof Tally, number][];
    return Object.fromEntries(
      entries.map(([name, count]) => [name, count - start[name]]),
    ) as unknown as Tally;
  }
});

/** A router whose models are unloaded, and its changes from then on. */
function follow(max: number, missesOrders = true) {
  const clock = createSteppedClock();
  const router = createTrueRouter(IDS, max, missesOrders);
  const store = createStore(clock, { reloadWindowMs: 0 });
  const entry = addRouter(store, 'router', 'http://router');
  entry.props({ modelsMax: max });
  entry.listed(router.listing());
  const changes = new Map<string, Change[]>(IDS.map((id) => [id, []]));
  store.onTransition((transition) => {
    if (transition.kind === 'model') changes.get(transition.model)?.push(transition.change);
  });
  return { clock, router, entry, changes };
}

const statusesIn = (entry: DrivenRouter) => IDS.map((id) => entry.state.models.get(id)?.lifecycle.status);

const statusesOf = (router: Router) => router.models.map(({ process }) => statusOf(process));

/** Lets it happen; a requested unload is marked as pending before. */
function happen({ model, pick }: Chance, router: Router, entry: DrivenRouter): RouterEvent[] {
  const happened = router.possible(model);
  const action = happened[pick % happened.length];
  if (action?.do === 'unload' && action.by === 'us') entry.markUnloadPending(IDS[model] ?? '');
  return action ? router.act(action) : [];
}

/** The events of one action, a few milliseconds apart, as the router sends them. */
function deliver(entry: DrivenRouter, clock: SteppedClock, events: readonly RouterEvent[]): void {
  for (const event of events) {
    entry.event(event);
    clock.jump(17);
  }
}

function tally(changes: readonly Change[]): Tally {
  const done = { ...NOTHING };
  for (const change of changes) {
    switch (change.kind) {
      case 'loaded':
        done.loads += 1;
        break;
      case 'load_failed':
        done.failures += 1;
        break;
      case 'slept':
        done.sleeps += 1;
        break;
      case 'woke':
        done.wakes += 1;
        break;
      case 'unloaded':
        done[change.reason] += 1;
        if (change.forced) done.forced += 1;
        break;
    }
  }
  return done;
}

function unloads({ requested, external, evicted, expired, crashed, unknown }: Tally): number {
  return requested + external + evicted + expired + crashed + unknown;
}
