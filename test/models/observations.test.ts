import { describe, expect, it } from '@jest/globals';
import type { ListedModel, RouterProps } from '../../src/models/feed.ts';
import { confirms } from '../../src/models/observations.ts';
import type { BuildClass } from '../../src/models/router-state.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, recordChanges, turned } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** A router with these models loaded, and its changes from then on. */
function aRouter(props: RouterProps, ...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const entry = addRouter(store, 'router', 'http://router');
  entry.props(props);
  entry.listed(aListing(...loaded.map((id) => listed(id, 'loaded'))));
  return { clock, store, entry, happened: recordChanges(store) };
}

describe('an unload on a full router', () => {
  it('is an eviction when another model starts at once', () => {
    const { entry, happened } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    expect(happened).toEqual([]);
    entry.event(begun('c'));
    expect(happened).toEqual(['a evicted while loaded', 'c appeared']);
  });

  it('is external when none has started after 250 ms', () => {
    const { clock, entry, happened } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    clock.jump(249);
    expect(happened).toEqual([]);
    clock.jump(1);
    expect(happened).toEqual(['a external while loaded']);
    entry.event(begun('c'));
    expect(happened).toEqual(['a external while loaded', 'c appeared']);
  });

  it('is external when the model itself is loaded again', () => {
    const { entry, happened } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.event(begun('a'));
    expect(happened).toEqual(['a external while loaded']);
  });

  it('waits 250 ms again for the next unload of the same model', () => {
    const { clock, entry, happened } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a'));
    clock.jump(50);
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    clock.jump(150);
    entry.event(ended('a'));
    clock.jump(60); // 260 ms after the first end, 60 ms after the second.
    entry.event(begun('b'));
    expect(happened.slice(-2)).toEqual(['a evicted while loaded', 'b appeared']);
  });

  it('counts once when its event is repeated', () => {
    const { clock, entry, happened } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.event(ended('a'));
    entry.event(begun('c'));
    entry.event(turned('c', 'loaded'));
    entry.event(ended('b'));
    entry.event(begun('a'));
    clock.jump(1000);
    expect(happened).toEqual([
      'a evicted while loaded',
      'c appeared',
      'c loaded in 0 s',
      'b evicted while loaded',
    ]);
  });

  it('with a reason from a listing does not affect the next eviction', () => {
    const { entry, happened } = aRouter({ modelsMax: 2 }, 'a', 'b');
    entry.event(ended('a'));
    entry.listed(aListing(listed('a', 'loaded'), listed('b', 'loaded')));
    entry.event(ended('b'));
    entry.event(begun('c'));
    expect(happened).toEqual([
      'a external while loaded',
      'a loaded, 0 s after it was external',
      'b evicted while loaded',
      'c appeared',
    ]);
  });

  it('that exited badly is an eviction by force when another model starts at once, else a crash', () => {
    const { clock, entry, happened } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a', 1));
    entry.event(begun('b'));
    entry.event(turned('b', 'loaded'));
    entry.event(ended('b', 1));
    clock.jump(1000);
    entry.event(begun('a'));
    expect(happened).toEqual([
      'a evicted by force while loaded',
      'b appeared',
      'b loaded in 0 s',
      'b crashed while loaded',
    ]);
  });

  it('that exited badly and comes back itself is a crash', () => {
    const { entry, happened } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a', 1));
    entry.event(begun('a'));
    expect(happened).toEqual(['a crashed while loaded']);
  });

  it.each<[string, RouterProps]>([
    ['is not full', { modelsMax: 3 }],
    ['has no limit', { modelsMax: 0 }],
    ['does not tell its limit', {}],
  ])('is external at once where the router %s', (_, props) => {
    const { entry, happened } = aRouter(props, 'a', 'b');
    entry.event(ended('a'));
    expect(happened).toEqual(['a external while loaded']);
  });

  it('is counted before the model vanishes, and only once', () => {
    const { clock, entry, happened } = aRouter({ modelsMax: 1 }, 'a');
    entry.event(ended('a'));
    entry.listed(aListing());
    expect(happened).toEqual(['a external while loaded', 'a vanished']);
    clock.jump(1000);
    expect(happened).toHaveLength(2);
    expect(clock.pending()).toBe(0);
  });
});

describe('a listing', () => {
  const was = (id: string, instance: number) => listed(id, 'loaded', { instance });
  const left = (id: string, instance: number) => listed(id, 'unloaded', { instance });

  it.each<[string, RouterProps, ListedModel[], string[]]>([
    [
      'evicted, as it had to make room for another one',
      { modelsMax: 2 },
      [left('a', 1), was('b', 2), was('c', 3)],
      ['a evicted while loaded'],
    ],
    [
      'evicted, as it had to make room for one that failed to load',
      { modelsMax: 2 },
      [left('a', 1), was('b', 2), listed('c', 'unloaded', { instance: 3, failed: true })],
      ['a evicted while loaded'],
    ],
    [
      'evicted, by the second of two that were started',
      { modelsMax: 3 },
      [left('a', 1), was('b', 2), was('c', 3), was('d', 4)],
      ['a evicted while loaded'],
    ],
    [
      'evicted, like all others',
      { modelsMax: 2 },
      [left('a', 1), left('b', 2), was('c', 3), was('d', 4)],
      ['a evicted while loaded', 'b evicted while loaded'],
    ],
    [
      'unknown, as one of the two started models may have made room for the other',
      { modelsMax: 2 },
      [left('a', 1), left('b', 2), left('c', 3), was('d', 4)],
      ['a unknown while loaded', 'b unknown while loaded'],
    ],
    [
      'external, as no model was started',
      { modelsMax: 2 },
      [left('a', 1), was('b', 2)],
      ['a external while loaded'],
    ],
    [
      'external, as the router had room',
      { modelsMax: 3 },
      [left('a', 1), was('b', 2), was('c', 3)],
      ['a external while loaded'],
    ],
    [
      'external, as the router has no limit',
      { modelsMax: 0 },
      [left('a', 1), was('b', 2), was('c', 3)],
      ['a external while loaded'],
    ],
    [
      'unknown, as one of the two made room',
      { modelsMax: 2 },
      [left('a', 1), left('b', 2), was('c', 3)],
      ['a unknown while loaded', 'b unknown while loaded'],
    ],
    [
      'unknown, as the router does not tell its limit',
      {},
      [left('a', 1), was('b', 2), was('c', 3)],
      ['a unknown while loaded'],
    ],
    [
      'external, as no model was started, with an unknown limit',
      {},
      [left('a', 1), was('b', 2)],
      ['a external while loaded'],
    ],
    [
      'crashed, as nothing had to make room',
      { modelsMax: 3 },
      [listed('a', 'unloaded', { instance: 1, failed: true }), was('b', 2), was('c', 3)],
      ['a crashed while loaded'],
    ],
    [
      'unknown, as it crashed or was killed to make room',
      { modelsMax: 2 },
      [listed('a', 'unloaded', { instance: 1, failed: true }), was('b', 2), was('c', 3)],
      ['a unknown while loaded'],
    ],
    [
      'unknown, as its process was replaced',
      { modelsMax: 2 },
      [was('a', 9), was('b', 2)],
      ['a unknown while loaded', 'a loaded, 0 s after it was unknown'],
    ],
  ])('shows that a model was %s', (_, props, models, expected) => {
    const { entry, happened } = aRouter(props);
    entry.listed(aListing(was('a', 1), was('b', 2), left('c', 0), left('d', 0)));
    happened.length = 0;
    entry.listed(aListing(...models));
    expect(happened.filter((change) => /^[ab] /.test(change))).toEqual(expected);
  });

  it.each<[string, ListedModel, BuildClass, string]>([
    [
      'a build that kills what it unloads',
      listed('c', 'unloaded', { instance: 0, failed: true, exitCode: 10 }),
      'unknown',
      'unknown',
    ],
    ['a build that does not', left('c', 0), 'no_event_stream', 'crashed'],
    ['a build without event stream that does not show it', left('c', 7), 'no_event_stream', 'unknown'],
    ['another build that does not show it', left('c', 7), 'reads_exempt', 'crashed'],
  ])('shows the end of a killed process on %s', (_, other, buildClass, reason) => {
    const { entry, happened } = aRouter({ modelsMax: 2 });
    entry.state.buildClass = buildClass;
    entry.listed(aListing(was('a', 1), other));
    happened.length = 0;
    entry.listed(aListing(listed('a', 'unloaded', { instance: 1, failed: true, exitCode: 1 }), other));
    expect(happened).toEqual([`a ${reason} while loaded`]);
  });

  it('does not change the status of a model with a newer event', () => {
    const { entry, happened } = aRouter({}, 'a', 'b');
    entry.event(ended('a'));
    const old = aListing(listed('a', 'loaded', { aliases: ['first'], facts: { parameters: 7 } }));
    expect(entry.listed(old, new Set(['a', 'b']))).toEqual({ corrected: 0 });
    expect(happened).toEqual(['a external while loaded']);
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
  ])('that shows %s without an event corrects the state', (_, next, corrected) => {
    const { entry } = aRouter({});
    entry.listed(aListing(listed('a', 'loaded', { instance: 1 })));
    expect(entry.listed(aListing(next))).toEqual({ corrected });
  });

  it.each<[string, ReturnType<typeof listed>[], ReturnType<typeof listed>[]]>([
    ['a download that begins', [listed('a', 'unloaded')], [listed('a', 'downloading')]],
    ['a download that ends', [listed('a', 'downloading')], [listed('a', 'unloaded')]],
    ['a model that is new', [], [listed('a', 'loaded')]],
    ['a model that is gone', [listed('a', 'loaded')], []],
  ])('that shows %s corrects nothing: no event announces that', (_, before, after) => {
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

  it('of an unknown model, or of one that is not downloading, is ignored', () => {
    const { entry } = aRouter({}, 'a');
    entry.event(progress);
    entry.event({ ...progress, model: 'b' });
    expect(entry.state.models.get('a')?.download).toBeUndefined();
    expect(entry.state.models.has('b')).toBe(false);
  });
});

describe('a pending unload request', () => {
  it('stays pending when a later one is cancelled', () => {
    const { entry, happened } = aRouter({}, 'a');
    entry.markUnloadPending('a');
    const cancel = entry.markUnloadPending('a');
    cancel();
    entry.event(ended('a', 1));
    expect(happened).toEqual(['a requested by force while loaded']);
  });

  it('that is cancelled after the unload changes nothing', () => {
    const { entry, happened } = aRouter({}, 'a');
    const cancel = entry.markUnloadPending('a');
    entry.event(ended('a'));
    cancel();
    entry.event(begun('a'));
    entry.event(turned('a', 'loaded'));
    entry.event(ended('a'));
    expect(happened).toEqual([
      'a requested while loaded',
      'a loaded in 0 s, 0 s after it was requested',
      'a external while loaded',
    ]);
  });

  it('for an unknown model is ignored', () => {
    const { entry } = aRouter({}, 'a');
    entry.markUnloadPending('b')();
    expect([...entry.state.models.keys()]).toEqual(['a']);
  });
});

describe('a listing confirms the observed state', () => {
  const [a, b] = [listed('a', 'loaded'), listed('b', 'loaded', { instance: 1 })];
  const unloaded = listed('b', 'unloaded', { instance: 1 });

  it.each<[string, boolean, ListedModel[], string[]]>([
    ['when it shows the same', true, [a, b], []],
    ['unless a status differs', false, [a, unloaded], []],
    ['unless a process differs', false, [a, { ...b, instance: 2 }], []],
    ['unless a failure mark differs', false, [a, { ...b, failed: true }], []],
    ['unless a model is new', false, [a, b, listed('c', 'unloaded')], []],
    ['unless a model is gone', false, [a], []],
    ['unless a model is replaced', false, [a, listed('c', 'loaded')], []],
    ['when only models with a newer event differ', true, [a, unloaded], ['b']],
  ])('%s', (_, expected, models, newer) => {
    const { entry } = aRouter({}, 'a');
    entry.listed(aListing(a, b));
    expect(confirms(entry.state, aListing(...models), new Set(newer))).toBe(expected);
  });

  it('never of a router that was down', () => {
    const { entry } = aRouter({}, 'a');
    entry.failed({ kind: 'timeout', message: 'no answer' });
    expect(confirms(entry.state, aListing(a), new Set())).toBe(false);
  });
});
