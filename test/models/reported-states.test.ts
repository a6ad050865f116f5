import { beforeEach, expect, it } from '@jest/globals';
import type { Status } from '../../src/models/feed.ts';
import { ROUTER_TRAITS, type ServerTraits } from '../../src/models/server-traits.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, listed, recordChanges, turned } from '../support/a-model.ts';
import { addRouter, type DrivenRouter } from '../support/driven-router.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';

/** A server that reports states without exit codes and its models' requests, and evicts by rules of its own. */
const REPORTING: ServerTraits = {
  ...ROUTER_TRAITS,
  kind: 'swapper',
  statuses: ['unloaded', 'loading', 'loaded', 'unloading', 'other'],
  evictsBy: 'rules',
  activity: 'reported',
};

const TTL = 5;

let clock: SteppedClock;
let router: DrivenRouter;
let changes: string[];

beforeEach(() => {
  clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  changes = recordChanges(store);
  router = addRouter(store, 'box');
  router.state.traits = REPORTING;
  router.stream('connected');
  router.listed(
    aListing(
      listed('a', 'unloaded', { ttlSeconds: TTL, inFlight: 0 }),
      listed('b', 'unloaded', { ttlSeconds: 0, inFlight: 0 }),
      listed('c', 'unloaded', { inFlight: 0 }),
    ),
  );
  changes.length = 0;
});

const load = (model: string) => {
  router.event(begun(model));
  clock.jump(300);
  router.event(turned(model, 'loaded'));
  router.event({ name: 'inflight', kind: 'work', model, inFlight: 0 });
};
const work = (model: string, inFlight: number) =>
  router.event({ name: 'inflight', kind: 'work', model, inFlight });
const stop = (model: string) => {
  router.event(turned(model, 'unloading'));
  clock.jump(10);
  router.event(turned(model, 'unloaded', { ending: 'clean' }));
};
const activityOf = (model: string) => router.state.models.get(model)?.activity;
const seen = async () => {
  await clock.advance(1000);
  return changes.filter((change) => !/ loaded in /.test(change));
};

it('a model that was ordered to end is unloading, and then unloaded from its status before', async () => {
  load('b');
  router.event(turned('b', 'unloading'));
  expect(router.state.models.get('b')?.lifecycle).toMatchObject({
    status: 'unloading',
    unloadingFrom: 'loaded',
  });
  router.event(turned('b', 'unloaded', { ending: 'clean' }));
  expect(await seen()).toEqual(['b external while loaded']);
});

it.each<[string, string, () => void, string[]]>([
  [
    'whose unload is pending here',
    'b',
    () => {
      router.markUnloadPending('b');
      stop('b');
    },
    ['b requested while loaded'],
  ],
  [
    'in whose place another starts',
    'b',
    () => {
      stop('b');
      router.event(begun('c'));
    },
    ['b evicted while loaded'],
  ],
  [
    'that comes back itself',
    'b',
    () => {
      stop('b');
      router.event(begun('b'));
    },
    ['b external while loaded'],
  ],
  [
    'that was idle for its time to live',
    'a',
    () => {
      clock.jump(TTL * 1000 + 400);
      stop('a');
    },
    ['a expired while loaded'],
  ],
  [
    'whose process takes long to end after its time to live',
    'a',
    () => {
      clock.jump(TTL * 1000);
      router.event(turned('a', 'unloading'));
      clock.jump(9000);
      router.event(turned('a', 'unloaded', { ending: 'clean' }));
    },
    ['a expired while loaded'],
  ],
  [
    'that was idle for less than its time to live',
    'a',
    () => {
      clock.jump(TTL * 1000 - 1000);
      stop('a');
    },
    ['a external while loaded'],
  ],
  [
    'that worked within its time to live',
    'a',
    () => {
      clock.jump(4000);
      work('a', 1);
      work('a', 0);
      clock.jump(2000);
      stop('a');
    },
    ['a external while loaded'],
  ],
  [
    'that ends while it works',
    'a',
    () => {
      work('a', 1);
      clock.jump(60_000);
      stop('a');
    },
    ['a external while loaded'],
  ],
  [
    'that stops by itself',
    'b',
    () => {
      router.event(turned('b', 'unloaded', { ending: 'failed' }));
      router.event(begun('c'));
    },
    ['b crashed while loaded'],
  ],
  [
    'whose end was not seen',
    'b',
    () => router.event(turned('b', 'unloaded', { ending: 'unseen' })),
    ['b unknown while loaded'],
  ],
])('a model %s', async (_, model, happens, expected) => {
  load(model);
  happens();
  expect(await seen()).toEqual(expected);
});

it('one start may evict several models', async () => {
  load('a');
  load('b');
  stop('a');
  stop('b');
  router.event(begun('c'));
  expect(await seen()).toEqual(['a evicted while loaded', 'b evicted while loaded']);
});

it('a model that is unloaded while it starts was requested, or has failed to load', async () => {
  router.event(begun('a'));
  router.event(turned('a', 'unloaded', { ending: 'failed' }));
  router.event(begun('b'));
  router.markUnloadPending('b');
  router.event(turned('b', 'unloaded', { ending: 'failed' }));
  expect(await seen()).toEqual(['a failed to load', 'b requested while loading']);
});

it.each<[string, Status]>([
  ['that ended between two listings ended for an unknown reason', 'unloaded'],
  ['that is listed as it was reported', 'loaded'],
])('a model %s', async (_, status) => {
  load('b');
  router.listed(aListing(listed('a', 'unloaded'), listed('b', status), listed('c', 'unloaded')));
  expect(await seen()).toEqual(status === 'unloaded' ? ['b unknown while loaded'] : []);
});

it('its requests are its activity, as long as they are reported', () => {
  load('a');
  work('a', 2);
  expect(activityOf('a')).toMatchObject({ busy: true, lastAt: clock.now() });
  clock.jump(1000);
  work('a', 0);
  expect(activityOf('a')).toMatchObject({ busy: false, lastAt: clock.now() });
  router.stream('connecting');
  expect(activityOf('a')).toBeUndefined();
});

it('since when a model has been idle that was idle at the first listing is unknown, and so is why it ends', async () => {
  router.listed(
    aListing(
      listed('a', 'loaded', { ttlSeconds: TTL, inFlight: 0 }),
      listed('b', 'loaded', { ttlSeconds: TTL, inFlight: 1 }),
      listed('c', 'unloaded'),
    ),
  );
  expect(activityOf('a')).toMatchObject({ busy: false, lastAt: undefined });
  expect(activityOf('b')).toMatchObject({ busy: true, lastAt: clock.now() });
  changes.length = 0;
  clock.jump(TTL * 1000);
  stop('a');
  expect(await seen()).toEqual(['a unknown while loaded']);
});
