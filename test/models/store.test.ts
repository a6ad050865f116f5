import { describe, expect, it } from '@jest/globals';
import type { RouterFault } from '../../src/models/feed.ts';
import type { Transition } from '../../src/models/router-state.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, recordChanges, turned } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** Wall time, as in the state file. */
const SAVED_START = 1_700_000_000_000;
const START = createSteppedClock(SAVED_START).now();
const MINUTE = 60_000;
const timeout: RouterFault = { kind: 'timeout', message: 'http://router did not answer within 5 s' };
const refused: RouterFault = { kind: 'unreachable', message: 'http://router refuses connections' };

function aStore() {
  const clock = createSteppedClock(SAVED_START);
  const store = createStore(clock, { reloadWindowMs: 10 * MINUTE });
  const told: Transition[] = [];
  const stopListening = store.onTransition((transition) => told.push(transition));
  return { clock, store, told, stopListening, happened: recordChanges(store) };
}

describe('routers', () => {
  it('are listed in the order in which they were added, and published as added and removed', () => {
    const { store, told } = aStore();
    addRouter(store, 'b', 'http://b');
    addRouter(store, 'a', 'http://a');
    expect(store.routers().map(({ name }) => name)).toEqual(['b', 'a']);
    store.remove('b');
    store.remove('b');
    expect(store.routers().map(({ name }) => name)).toEqual(['a']);
    expect(store.router('b')).toBeUndefined();
    expect(told).toEqual([
      { router: 'b', at: START, kind: 'router', change: 'added' },
      { router: 'a', at: START, kind: 'router', change: 'added' },
      { router: 'b', at: START, kind: 'router', change: 'removed' },
    ]);
  });

  it('have unique names', () => {
    const { store } = aStore();
    addRouter(store, 'a', 'http://a');
    expect(() => addRouter(store, 'a', 'http://b')).toThrow('a router named a exists already');
  });

  it('begin in an unknown state', () =>
    expect(addRouter(aStore().store, 'a', 'http://a').state).toEqual({
      name: 'a',
      url: 'http://a',
      up: undefined,
      malformed: [],
      stream: 'connecting',
      engineMetrics: 'unknown',
      readMode: 'auto',
      traits: ROUTER_TRAITS,
      props: {},
      buildClass: 'unknown',
      models: new Map(),
    }));

  it('are published as up and down once, and as down again for another reason', () => {
    const { store, told, clock } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    told.length = 0;
    entry.failed(timeout);
    entry.failed({ ...timeout, message: 'http://router did not answer within 6 s' });
    clock.jump(1000);
    entry.failed(refused);
    expect(entry.state).toMatchObject({ up: false, fault: refused });
    entry.listed(aListing());
    entry.listed(aListing());
    expect(entry.state).toMatchObject({ up: true, listedAt: START + 1000 });
    expect(entry.state).not.toHaveProperty('fault');
    expect(told).toEqual([
      { router: 'router', at: START, kind: 'router', change: 'down', fault: timeout },
      { router: 'router', at: START + 1000, kind: 'router', change: 'down', fault: refused },
      { router: 'router', at: START + 1000, kind: 'router', change: 'up' },
    ]);
  });

  it('publish changes of their stream and of malformed entries', () => {
    const { store, told } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing());
    told.length = 0;
    entry.stream('connecting');
    entry.stream('connected');
    entry.stream('connected');
    entry.listed({ models: [], malformed: ['data[0]: it has no name'] });
    entry.listed({ models: [], malformed: ['data[0]: it has no name'] });
    expect(told).toEqual([
      { router: 'router', at: START, kind: 'stream', state: 'connected' },
      { router: 'router', at: START, kind: 'malformed', entries: ['data[0]: it has no name'] },
    ]);
  });

  it('keep the state of their models while they are down', () => {
    const { store } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded')));
    entry.failed(timeout);
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('loaded');
  });
});

describe('transitions', () => {
  it('of a model have their time, the change of status first', () => {
    const { store, told, clock } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded')));
    told.length = 0;
    clock.jump(1000);
    entry.event(ended('a'));
    expect(told).toEqual(
      [
        { kind: 'status', from: 'loaded', to: 'unloaded' },
        { kind: 'unloaded', reason: 'external', from: 'loaded' },
      ].map((change) => ({ router: 'router', at: START + 1000, kind: 'model', model: 'a', change })),
    );
  });

  it('of an unload with a pending reason have the time of the unload', () => {
    const { store, told, clock } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.props({ modelsMax: 1 });
    entry.listed(aListing(listed('a', 'loaded')));
    entry.event(ended('a'));
    told.length = 0;
    clock.jump(10_000);
    expect(told).toEqual([
      {
        router: 'router',
        at: START,
        kind: 'model',
        model: 'a',
        change: { kind: 'unloaded', reason: 'external', from: 'loaded' },
      },
    ]);
  });

  it('are published after the state has changed', () => {
    const { store } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded')));
    const seen: unknown[] = [];
    store.onTransition(() => seen.push(entry.state.models.get('a')?.lifecycle.status));
    entry.event(ended('a'));
    entry.listed(aListing());
    expect(seen).toEqual(['unloaded', 'unloaded', undefined]);
  });

  it('are not published to removed listeners', () => {
    const { store, told, stopListening } = aStore();
    stopListening();
    addRouter(store, 'a', 'http://a');
    expect(told).toEqual([]);
  });
});

describe('last unloads', () => {
  const evicted = { router: 'router', model: 'a', at: SAVED_START - 2 * MINUTE, reason: 'evicted' } as const;

  it('are those after which a load would be a reload', () => {
    const { store, clock } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded'), listed('b', 'loaded')));
    entry.event(ended('a'));
    clock.jump(MINUTE);
    entry.event(ended('b', 1));
    expect(store.lastUnloads()).toEqual([
      { router: 'router', model: 'a', at: SAVED_START, reason: 'external' },
      { router: 'router', model: 'b', at: SAVED_START + MINUTE, reason: 'crashed' },
    ]);
    clock.jump(9 * MINUTE + 1);
    expect(store.lastUnloads()).toEqual([
      { router: 'router', model: 'b', at: SAVED_START + MINUTE, reason: 'crashed' },
    ]);
    entry.event(begun('b'));
    entry.event(turned('b', 'loaded'));
    expect(store.lastUnloads()).toEqual([]);
  });

  it.each([
    ['a listing shows it unloaded before it is loaded', [() => listed('a', 'unloaded')], 'a loaded in 0 s'],
    ['an event of its load is its first observation', [], 'a loaded in 0 s'],
  ])('of an earlier process make a reload when %s', (_, before, loaded) => {
    const { store, happened } = aStore();
    store.restoreLastUnloads([evicted]);
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(...before.map((entry) => entry())));
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    expect(happened).toEqual(['a appeared', `${loaded}, 120 s after it was evicted`]);
  });

  it('of an earlier process are kept until the model appears', () => {
    const { store } = aStore();
    store.restoreLastUnloads([evicted]);
    expect(store.lastUnloads()).toEqual([evicted]);
    addRouter(store, 'router', 'http://router').listed(aListing(listed('a', 'loaded')));
    expect(store.lastUnloads()).toEqual([]);
  });

  it('are counted once: a model that was reloaded, vanished and came back has none', () => {
    const { store, happened } = aStore();
    store.restoreLastUnloads([evicted]);
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'unloaded')));
    entry.listed(aListing(listed('a', 'loaded')));
    expect(store.lastUnloads()).toEqual([]);
    happened.length = 0;
    entry.listed(aListing(listed('a', 'other')));
    entry.listed(aListing());
    entry.listed(aListing(listed('a', 'unloaded')));
    entry.listed(aListing(listed('a', 'loaded')));
    expect(happened).toEqual([
      'a external while loaded',
      'a vanished',
      'a appeared',
      'a loaded, 0 s after it was external',
    ]);
  });

  it('of models that vanished are kept: they may come back', () => {
    const { store, clock, happened } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded')));
    entry.markUnloadPending('a');
    entry.event(ended('a'));
    entry.listed(aListing());
    expect(store.lastUnloads()).toEqual([
      { router: 'router', model: 'a', at: SAVED_START, reason: 'requested' },
    ]);
    clock.jump(MINUTE);
    entry.listed(aListing(listed('a', 'unloaded')));
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    expect(happened.at(-1)).toBe('a loaded in 0 s, 60 s after it was requested');
  });

  it('of a router that was removed are kept: it may come back', () => {
    const { store, clock, happened } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded')));
    entry.event(ended('a'));
    store.remove('router');
    expect(store.lastUnloads()).toEqual([
      { router: 'router', model: 'a', at: SAVED_START, reason: 'external' },
    ]);
    clock.jump(MINUTE);
    const again = addRouter(store, 'router', 'http://router');
    again.listed(aListing(listed('a', 'unloaded')));
    again.event(begun('a'));
    again.event(turned('a', 'loaded'));
    expect(happened.at(-1)).toBe('a loaded in 0 s, 60 s after it was external');
  });

  it('of models that vanished long ago are forgotten', () => {
    const { store, clock } = aStore();
    const entry = addRouter(store, 'router', 'http://router');
    entry.listed(aListing(listed('a', 'loaded'), listed('b', 'unloaded')));
    entry.listed(aListing(listed('b', 'unloaded')));
    clock.jump(10 * MINUTE + 1);
    entry.listed(aListing());
    clock.set(SAVED_START);
    expect(store.lastUnloads()).toEqual([]);
  });

  it('of an earlier process in the future count as now: the clock was set back', () => {
    const { store, happened } = aStore();
    store.restoreLastUnloads([{ ...evicted, at: SAVED_START + MINUTE }]);
    const entry = addRouter(store, 'router');
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    expect(happened.at(-1)).toBe('a loaded in 0 s, 0 s after it was evicted');
  });

  it('are kept by router and model', () => {
    const { store } = aStore();
    store.restoreLastUnloads([evicted, { ...evicted, router: 'other', reason: 'crashed' }]);
    addRouter(store, 'other', 'http://other').listed(aListing(listed('a', 'unloaded')));
    expect(store.lastUnloads()).toEqual([evicted, { ...evicted, router: 'other', reason: 'crashed' }]);
  });
});
