import { describe, expect, it } from '@jest/globals';
import type { RouterProps } from '../../src/models/feed.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, recordDeeds, turned } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** A router with these models loaded, and what is told of it from then on. */
function aRouter(props: RouterProps, ...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const entry = addRouter(store, 'router', 'http://router');
  entry.props(props);
  entry.listed(aListing(...loaded.map((id) => listed(id, 'loaded'))));
  return { clock, store, entry, operationMetrics: recordDeeds(store) };
}

describe('an unload on a full router', () => {
  it('is an eviction when another model starts at once', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    expect(operationMetrics).toEqual([]);
    entry.event(begun('c'));
    expect(operationMetrics).toEqual(['a evicted while loaded', 'c appeared']);
  });

  it('is somebody else’s when none has started after 250 ms', () => {
    const { clock, entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    clock.jump(249);
    expect(operationMetrics).toEqual([]);
    clock.jump(1);
    expect(operationMetrics).toEqual(['a external while loaded']);
    entry.event(begun('c'));
    expect(operationMetrics).toEqual(['a external while loaded', 'c appeared']);
  });

  it('is somebody else’s when the model itself comes back', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.event(begun('a'));
    expect(operationMetrics).toEqual(['a external while loaded']);
  });

  it('waits its whole time when the model waited before', () => {
    const { clock, entry, operationMetrics } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a'));
    clock.jump(50);
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    clock.jump(150);
    entry.event(ended('a'));
    clock.jump(60); // 260 ms after the first end, 60 ms after the second.
    entry.event(begun('b'));
    expect(operationMetrics.slice(-2)).toEqual(['a evicted while loaded', 'b appeared']);
  });

  it('told twice is one that waits, and takes no other’s place in the queue', () => {
    const { clock, entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.event(ended('a'));
    entry.event(begun('c'));
    entry.event(turned('c', 'loaded'));
    entry.event(ended('b'));
    entry.event(begun('a'));
    clock.jump(1000);
    expect(operationMetrics).toEqual([
      'a evicted while loaded',
      'c appeared',
      'c loaded in 0 s',
      'b evicted while loaded',
    ]);
  });

  it('decided by a listing leaves the next eviction to its own victim', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.listed(aListing(listed('a', 'loaded'), listed('b', 'loaded')));
    entry.event(ended('b'));
    entry.event(begun('c'));
    expect(operationMetrics).toEqual([
      'a external while loaded',
      'a loaded, 0 s after it was external',
      'b evicted while loaded',
      'c appeared',
    ]);
  });

  it('that ended badly is a crash, even when another model was waiting for the place', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a', 1));
    entry.event(begun('b'));
    expect(operationMetrics).toEqual(['a crashed while loaded', 'b appeared']);
  });

  it.each<[string, RouterProps]>([
    ['is not full', { modelsMax: 3 }],
    ['has no limit', { modelsMax: 0 }],
    ['does not tell its limit', {}],
  ])('is no question where the router %s', (_, props) => {
    const { entry, operationMetrics } = aRouter(props, 'a', 'b');
    entry.event(ended('a'));
    expect(operationMetrics).toEqual(['a external while loaded']);
  });

  it('is decided before the model vanishes, and only once', () => {
    const { clock, entry, operationMetrics } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a'));
    entry.listed(aListing());
    expect(operationMetrics).toEqual(['a external while loaded', 'a vanished']);
    clock.jump(1000);
    expect(operationMetrics).toHaveLength(2);
    expect(clock.pending()).toBe(0);
  });
});

describe('a listing', () => {
  it('shows evictions where the router was full and another model took a place', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.listed(aListing(listed('a', 'unloaded'), listed('b', 'loaded'), listed('c', 'loaded')));
    expect(operationMetrics).toEqual(['a evicted while loaded', 'c appeared']);
  });

  it('shows no eviction where nobody took a place', () => {
    const { entry, operationMetrics } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.listed(aListing(listed('a', 'unloaded'), listed('b', 'loaded')));
    expect(operationMetrics).toEqual(['a external while loaded']);
  });

  it('does not touch the status of a model that an event told of since it was asked for', () => {
    const { entry, operationMetrics } = aRouter({}, 'a', 'b');
    entry.event(ended('a'));
    const old = aListing(listed('a', 'loaded', { aliases: ['first'], facts: { parameters: 7 } }));
    expect(entry.listed(old, new Set(['a', 'b']))).toEqual({ corrected: 0 });
    expect(operationMetrics).toEqual(['a external while loaded']);
    expect(entry.state.models.get('a')).toMatchObject({
      aliases: ['first'],
      facts: { parameters: 7 },
      lifecycle: { status: 'unloaded' },
    });
    expect(entry.state.models.has('b')).toBe(true);
  });

  it('keeps the router’s order for new models, and what was known while they ran', () => {
    const { entry } = aRouter({}, 'a');
    entry.listed(aListing(listed('b', 'loaded', { facts: { parameters: 7 } }), listed('a', 'loaded')));
    entry.listed(aListing(listed('b', 'unloaded', { facts: { source: 'hub' } }), listed('a', 'loaded')));
    expect([...entry.state.models.keys()]).toEqual(['a', 'b']);
    expect(entry.state.models.get('b')?.facts).toEqual({ parameters: 7, source: 'hub' });
  });

  it.each<[string, ReturnType<typeof listed>, number]>([
    ['an unload', listed('a', 'unloaded'), 1],
    ['a fall asleep', listed('a', 'sleeping'), 1],
    ['a reload', listed('a', 'loaded', { instance: 2 }), 1],
    ['nothing', listed('a', 'loaded', { instance: 1 }), 0],
  ])('that shows %s which no event told corrects', (_, next, corrected) => {
    const { entry } = aRouter({});
    entry.listed(aListing(listed('a', 'loaded', { instance: 1 })));
    expect(entry.listed(aListing(next))).toEqual({ corrected });
  });

  it.each<[string, ReturnType<typeof listed>[], ReturnType<typeof listed>[]]>([
    ['a download that begins', [listed('a', 'unloaded')], [listed('a', 'downloading')]],
    ['a download that ends', [listed('a', 'downloading')], [listed('a', 'unloaded')]],
    ['a model that is new', [], [listed('a', 'loaded')]],
    ['a model that is gone', [listed('a', 'loaded')], []],
  ])('that shows %s corrects nothing: no event tells of that', (_, before, after) => {
    const { entry } = aRouter({});
    entry.listed(aListing(...before));
    expect(entry.listed(aListing(...after))).toEqual({ corrected: 0 });
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
    const { entry } = aRouter({});
    entry.listed(aListing(listed('a', 'downloading')));
    entry.event(progress);
    expect(entry.state.models.get('a')?.download).toEqual({ doneBytes: 1, totalBytes: 2 });
    entry.listed(aListing(listed('a', 'unloaded')));
    expect(entry.state.models.get('a')?.download).toBeUndefined();
  });

  it('of a model that nobody knows, or that is not downloading, is of no interest', () => {
    const { entry } = aRouter({}, 'a');
    entry.event(progress);
    entry.event({ ...progress, model: 'b' });
    expect(entry.state.models.get('a')?.download).toBeUndefined();
    expect(entry.state.models.has('b')).toBe(false);
  });
});

describe('an ask', () => {
  it('stands when a later one is refused', () => {
    const { entry, operationMetrics } = aRouter({}, 'a');
    entry.markUnloadPending('a');
    const takeBack = entry.markUnloadPending('a');
    takeBack();
    entry.event(ended('a', 1));
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('that is taken back after the model went changes nothing', () => {
    const { entry, operationMetrics } = aRouter({}, 'a');
    const takeBack = entry.markUnloadPending('a');
    entry.event(ended('a'));
    takeBack();
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    entry.event(ended('a'));
    expect(operationMetrics).toEqual([
      'a requested while loaded',
      'a loaded in 0 s, 0 s after it was requested',
      'a external while loaded',
    ]);
  });

  it('for a model that is not there is nothing', () => {
    const { entry } = aRouter({}, 'a');
    entry.markUnloadPending('b')();
    expect([...entry.state.models.keys()]).toEqual(['a']);
  });
});
