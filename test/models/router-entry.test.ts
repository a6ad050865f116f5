import { describe, expect, it } from '@jest/globals';
import type { RouterProps } from '../../src/models/feed.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, recordDeeds, turned } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** A router with these models loaded, and what is told of it from then on. */
function aRouter(props: RouterProps, ...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const desk = store.add('router', 'http://router');
  desk.props(props);
  desk.listed(aListing(...loaded.map((id) => listed(id, 'loaded'))));
  return { clock, store, desk, deeds: recordDeeds(store) };
}

describe('an unload on a full router', () => {
  it('is an eviction when another model starts at once', () => {
    const { desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.event(ended('a'));
    expect(deeds).toEqual([]);
    desk.event(begun('c'));
    expect(deeds).toEqual(['a evicted while loaded', 'c appeared']);
  });

  it('is somebody else’s when none has started after 250 ms', () => {
    const { clock, desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.event(ended('a'));
    clock.jump(249);
    expect(deeds).toEqual([]);
    clock.jump(1);
    expect(deeds).toEqual(['a external while loaded']);
    desk.event(begun('c'));
    expect(deeds).toEqual(['a external while loaded', 'c appeared']);
  });

  it('is somebody else’s when the model itself comes back', () => {
    const { desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.event(ended('a'));
    desk.event(begun('a'));
    expect(deeds).toEqual(['a external while loaded']);
  });

  it('waits its whole time when the model waited before', () => {
    const { clock, desk, deeds } = aRouter({ modelsMax: 1 }, 'a');
    desk.event(ended('a'));
    clock.jump(50);
    desk.event(begun('a'));
    desk.event(turned('a', 'loaded'));
    clock.jump(150);
    desk.event(ended('a'));
    clock.jump(60); // 260 ms after the first end, 60 ms after the second.
    desk.event(begun('b'));
    expect(deeds.slice(-2)).toEqual(['a evicted while loaded', 'b appeared']);
  });

  it('told twice is one that waits, and takes no other’s place in the queue', () => {
    const { clock, desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.event(ended('a'));
    desk.event(ended('a'));
    desk.event(begun('c'));
    desk.event(turned('c', 'loaded'));
    desk.event(ended('b'));
    desk.event(begun('a'));
    clock.jump(1000);
    expect(deeds).toEqual([
      'a evicted while loaded',
      'c appeared',
      'c loaded in 0 s',
      'b evicted while loaded',
    ]);
  });

  it('decided by a listing leaves the next eviction to its own victim', () => {
    const { desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.event(ended('a'));
    desk.listed(aListing(listed('a', 'loaded'), listed('b', 'loaded')));
    desk.event(ended('b'));
    desk.event(begun('c'));
    expect(deeds).toEqual([
      'a external while loaded',
      'a loaded, 0 s after it was external',
      'b evicted while loaded',
      'c appeared',
    ]);
  });

  it('that ended badly is a crash, even when another model was waiting for the place', () => {
    const { desk, deeds } = aRouter({ modelsMax: 1 }, 'a');
    desk.event(ended('a', 1));
    desk.event(begun('b'));
    expect(deeds).toEqual(['a crashed while loaded', 'b appeared']);
  });

  it.each<[string, RouterProps]>([
    ['is not full', { modelsMax: 3 }],
    ['has no limit', { modelsMax: 0 }],
    ['does not tell its limit', {}],
  ])('is no question where the router %s', (_, props) => {
    const { desk, deeds } = aRouter(props, 'a', 'b');
    desk.event(ended('a'));
    expect(deeds).toEqual(['a external while loaded']);
  });

  it('is decided before the model vanishes, and no timer remains', () => {
    const { clock, desk, deeds } = aRouter({ modelsMax: 1 }, 'a');
    desk.event(ended('a'));
    desk.listed(aListing());
    expect(deeds).toEqual(['a external while loaded', 'a vanished']);
    expect(clock.pending()).toBe(0);
  });
});

describe('a listing', () => {
  it('shows evictions where the router was full and another model took a place', () => {
    const { desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.listed(aListing(listed('a', 'unloaded'), listed('b', 'loaded'), listed('c', 'loaded')));
    expect(deeds).toEqual(['a evicted while loaded', 'c appeared']);
  });

  it('shows no eviction where nobody took a place', () => {
    const { desk, deeds } = aRouter({ modelsMax: 2 }, 'a', 'b');
    desk.listed(aListing(listed('a', 'unloaded'), listed('b', 'loaded')));
    expect(deeds).toEqual(['a external while loaded']);
  });

  it('does not touch the status of a model that an event told of since it was asked for', () => {
    const { desk, deeds } = aRouter({}, 'a', 'b');
    desk.event(ended('a'));
    const old = aListing(listed('a', 'loaded', { aliases: ['first'], facts: { parameters: 7 } }));
    expect(desk.listed(old, new Set(['a', 'b']))).toEqual({ corrected: 0 });
    expect(deeds).toEqual(['a external while loaded']);
    expect(desk.belief.models.get('a')).toMatchObject({
      aliases: ['first'],
      facts: { parameters: 7 },
      life: { status: 'unloaded' },
    });
    expect(desk.belief.models.has('b')).toBe(true);
  });

  it('keeps the router’s order for new models, and what was known while they ran', () => {
    const { desk } = aRouter({}, 'a');
    desk.listed(aListing(listed('b', 'loaded', { facts: { parameters: 7 } }), listed('a', 'loaded')));
    desk.listed(aListing(listed('b', 'unloaded', { facts: { source: 'hub' } }), listed('a', 'loaded')));
    expect([...desk.belief.models.keys()]).toEqual(['a', 'b']);
    expect(desk.belief.models.get('b')?.facts).toEqual({ parameters: 7, source: 'hub' });
  });

  it.each<[string, ReturnType<typeof listed>, number]>([
    ['an unload', listed('a', 'unloaded'), 1],
    ['a fall asleep', listed('a', 'sleeping'), 1],
    ['a reload', listed('a', 'loaded', { instance: 2 }), 1],
    ['nothing', listed('a', 'loaded', { instance: 1 }), 0],
  ])('that shows %s which no event told corrects', (_, entry, corrected) => {
    const { desk } = aRouter({});
    desk.listed(aListing(listed('a', 'loaded', { instance: 1 })));
    expect(desk.listed(aListing(entry))).toEqual({ corrected });
  });

  it.each<[string, ReturnType<typeof listed>[], ReturnType<typeof listed>[]]>([
    ['a download that begins', [listed('a', 'unloaded')], [listed('a', 'downloading')]],
    ['a download that ends', [listed('a', 'downloading')], [listed('a', 'unloaded')]],
    ['a model that is new', [], [listed('a', 'loaded')]],
    ['a model that is gone', [listed('a', 'loaded')], []],
  ])('that shows %s corrects nothing: no event tells of that', (_, before, after) => {
    const { desk } = aRouter({});
    desk.listed(aListing(...before));
    expect(desk.listed(aListing(...after))).toEqual({ corrected: 0 });
  });
});

describe('a download', () => {
  const progress = {
    name: 'download_progress',
    kind: 'download',
    model: 'a',
    doneBytes: 1,
    totalBytes: 2,
  } as const;

  it('is known while the model is downloading', () => {
    const { desk } = aRouter({});
    desk.listed(aListing(listed('a', 'downloading')));
    desk.event(progress);
    expect(desk.belief.models.get('a')?.download).toEqual({ doneBytes: 1, totalBytes: 2 });
    desk.listed(aListing(listed('a', 'unloaded')));
    expect(desk.belief.models.get('a')).not.toHaveProperty('download');
  });

  it('of a model that nobody knows, or that is not downloading, is of no interest', () => {
    const { desk } = aRouter({}, 'a');
    desk.event(progress);
    desk.event({ ...progress, model: 'b' });
    expect(desk.belief.models.get('a')).not.toHaveProperty('download');
    expect(desk.belief.models.has('b')).toBe(false);
  });
});

describe('an ask', () => {
  it('stands when a later one is refused', () => {
    const { desk, deeds } = aRouter({}, 'a');
    desk.asking('a');
    const takeBack = desk.asking('a');
    takeBack();
    desk.event(ended('a', 1));
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('that is taken back after the model went changes nothing', () => {
    const { desk, deeds } = aRouter({}, 'a');
    const takeBack = desk.asking('a');
    desk.event(ended('a'));
    takeBack();
    desk.event(begun('a'));
    desk.event(turned('a', 'loaded'));
    desk.event(ended('a'));
    expect(deeds).toEqual([
      'a requested while loaded',
      'a loaded in 0 s, 0 s after it was requested',
      'a external while loaded',
    ]);
  });

  it('for a model that is not there is nothing', () => {
    const { desk } = aRouter({}, 'a');
    desk.asking('b')();
    expect([...desk.belief.models.keys()]).toEqual(['a']);
  });
});
