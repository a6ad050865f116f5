import { describe, expect, it } from '@jest/globals';
import {
  advance,
  cancelUnloadRequest,
  type Observation,
  requestUnload,
  type Step,
  settleReason,
  vanish,
} from '../../src/models/lifecycle.ts';
import type { Lifecycle } from '../../src/models/router-state.ts';
import type { Status } from '../../src/models/status.ts';
import { aLife, inWords } from '../support/a-model.ts';

const RULES = { reloadWindowMs: 600_000 };
const SECOND = 1000;

type Look = Observation | 'request' | 'cancel' | 'evict' | 'settle' | 'vanish';

/** What follows from these looks, a second apart; the first is the first sight. */
function live(first: Look, ...looks: Look[]): { happened: string[]; lifecycle: Lifecycle } {
  let { lifecycle } = take(undefined, first, 0);
  const happened = looks.flatMap((look, index) => {
    const step = take(lifecycle, look, (index + 1) * SECOND);
    lifecycle = step.lifecycle;
    return step.changes.map(inWords);
  });
  return { happened, lifecycle };
}

function take(lifecycle: Lifecycle | undefined, look: Look, at: number): Step {
  if (typeof look !== 'string') return advance(lifecycle, look, at, RULES);
  if (lifecycle === undefined) throw new Error('first there is a sight');
  if (look === 'evict' || look === 'settle') return settleReason(lifecycle, look === 'evict');
  if (look === 'vanish') return vanish(lifecycle, at);
  return {
    lifecycle: look === 'request' ? requestUnload(lifecycle, at) : cancelUnloadRequest(lifecycle),
    changes: [],
  };
}

const happened = ([first, ...looks]: Look[]) => live(first ?? 'vanish', ...looks).happened;
const beliefAfter = ([first, ...looks]: Look[]) => live(first ?? 'vanish', ...looks).lifecycle;

const lists = (status: Status, more: Partial<Observation & { via: 'listing' }> = {}): Observation => ({
  via: 'listing',
  status,
  ...more,
});
const tells = (status: Status, more: Partial<Observation & { via: 'event' }> = {}): Observation => ({
  via: 'event',
  status,
  ...more,
});
const begins = tells('loading', { begins: true });
const progress = (value: number) => tells('loading', { progress: value });
const exits = (exitCode: number, full = false) => tells('unloaded', { exitCode, full });
const fails = (instance?: number) =>
  lists('unloaded', { failed: true, ...(instance !== undefined && { instance }) });

describe('told by events', () => {
  const cases: [string, Look[], string[]][] = [
    [
      'a load, with its duration from its first word',
      [lists('unloaded'), begins, progress(0), progress(1), tells('loaded')],
      ['unloaded → loading', 'loading → loaded', 'loaded in 3 s'],
    ],
    [
      'a failed load',
      [lists('unloaded'), begins, exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'an unload by somebody else',
      [lists('loaded'), exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload that we asked for',
      [lists('loaded'), 'request', exits(0)],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    [
      'a forced kill that we asked for: neither a crash nor a failed load',
      [lists('loaded'), 'request', exits(1)],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    [
      'a forced kill that somebody else asked for, which looks like a crash',
      [lists('loaded'), exits(1)],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'an unload while loading that we asked for: no failure',
      [lists('unloaded'), begins, 'request', exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'requested while loading'],
    ],
    [
      'an unload while loading by somebody else, which looks like a failed load',
      [lists('unloaded'), begins, exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'an ask that was refused: what follows is not our doing',
      [lists('loaded'), 'request', 'cancel', exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an eviction',
      [lists('loaded'), exits(0, true), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'an eviction of a sleeper',
      [lists('sleeping'), exits(0, true), 'evict'],
      ['sleeping → unloaded', 'evicted while sleeping'],
    ],
    [
      'an unload on a full router that nobody took the place of',
      [lists('loaded'), exits(0, true), 'settle'],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload on a full router that comes back before it was decided',
      [lists('loaded'), exits(0, true), begins],
      ['loaded → unloaded', 'external while loaded', 'unloaded → loading'],
    ],
    [
      'a crash on a full router, which is decided at once: an eviction ends well',
      [lists('loaded'), exits(1, true)],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'a failed load on a full router',
      [lists('unloaded'), begins, exits(1, true)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'what we asked for on a full router',
      [lists('loaded'), 'request', exits(0, true), 'evict'],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    ['a crash', [lists('loaded'), exits(1)], ['loaded → unloaded', 'crashed while loaded']],
    ['a crash asleep', [lists('sleeping'), exits(1)], ['sleeping → unloaded', 'crashed while sleeping']],
    ['falling asleep', [lists('loaded'), tells('sleeping')], ['loaded → sleeping', 'slept']],
    [
      'a wake, which is no load',
      [lists('sleeping'), progress(0), progress(1), tells('loaded')],
      ['sleeping → loading', 'loading → loaded', 'woke'],
    ],
    [
      'a crash while waking, which is no failed load',
      [lists('sleeping'), progress(0), exits(1)],
      ['sleeping → loading', 'loading → unloaded', 'crashed while loading'],
    ],
    [
      'an unload of a sleeper',
      [lists('sleeping'), exits(0)],
      ['sleeping → unloaded', 'external while sleeping'],
    ],
    [
      'a reload at once after an unload that we asked for',
      [lists('loaded'), 'request', exits(0), begins, tells('loaded')],
      [
        'loaded → unloaded',
        'requested while loaded',
        'unloaded → loading',
        'loading → loaded',
        'loaded in 1 s, 2 s after it was requested',
      ],
    ],
    [
      'everything twice as if it was once',
      [lists('unloaded'), begins, begins, tells('loaded'), tells('loaded'), exits(1), exits(1)],
      [
        'unloaded → loading',
        'loading → loaded',
        'loaded in 2 s',
        'loaded → unloaded',
        'crashed while loaded',
      ],
    ],
    [
      'an pendingReason unload twice, which stays pendingReason',
      [lists('loaded'), exits(0, true), exits(0, true), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'a status that nobody knows, which decides nothing',
      [lists('loaded'), tells('other'), tells('loaded'), tells('other'), exits(0)],
      ['loaded → other', 'other → loaded', 'loaded → other', 'other → unloaded', 'external while loaded'],
    ],
    [
      'a status that nobody knows within a load',
      [lists('unloaded'), begins, tells('other'), tells('loaded')],
      ['unloaded → loading', 'loading → other', 'other → loaded', 'loaded in 2 s'],
    ],
    [
      'a status that nobody knows within a wake',
      [lists('sleeping'), progress(0), tells('other'), tells('loaded')],
      ['sleeping → loading', 'loading → other', 'other → loaded', 'woke'],
    ],
  ];
  it.each(cases)('%s', (_, looks, changes) => expect(happened(looks)).toEqual(changes));
});

describe('shown by listings alone', () => {
  const cases: [string, Look[], string[]][] = [
    [
      'a load, with what was seen of its duration',
      [
        lists('unloaded', { instance: 0 }),
        lists('loading', { instance: 1 }),
        lists('loaded', { instance: 1 }),
      ],
      ['unloaded → loading', 'loading → loaded', 'loaded in 1 s'],
    ],
    [
      'a load that was never seen loading',
      [lists('unloaded', { instance: 0 }), lists('loaded', { instance: 1 })],
      ['unloaded → loaded', 'loaded'],
    ],
    [
      'a failed load',
      [lists('unloaded'), lists('loading', { instance: 1 }), fails(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'a failed load that was never seen loading',
      [lists('unloaded', { instance: 0 }), fails(1)],
      ['failed to load'],
    ],
    ['a second failed load', [fails(1), fails(2)], ['failed to load']],
    ['no second failure in the same mark', [fails(1), fails(1)], []],
    [
      'a failed load on a build that does not tell of processes',
      [lists('unloaded'), fails()],
      ['failed to load'],
    ],
    ['no second failure there', [lists('unloaded'), fails(), fails()], ['failed to load']],
    [
      'an unload',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 1 })],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload that we asked for',
      [lists('loaded'), 'request', fails()],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    [
      'an eviction',
      [lists('loaded'), lists('unloaded', { evicted: true })],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'a crash on a router where another model took a place',
      [lists('loaded'), lists('unloaded', { evicted: true, failed: true })],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    ['a crash', [lists('loaded', { instance: 1 }), fails(1)], ['loaded → unloaded', 'crashed while loaded']],
    [
      'sleep and wake',
      [lists('loaded'), lists('sleeping'), lists('loaded')],
      ['loaded → sleeping', 'slept', 'sleeping → loaded', 'woke'],
    ],
    [
      'a wake under way',
      [
        lists('sleeping', { instance: 1 }),
        lists('loading', { instance: 1 }),
        lists('loaded', { instance: 1 }),
      ],
      ['sleeping → loading', 'loading → loaded', 'woke'],
    ],
    [
      'a wake of a sleeper that was never seen asleep',
      [lists('loaded', { instance: 1 }), lists('loading', { instance: 1 }), lists('loaded', { instance: 1 })],
      ['loaded → loading', 'slept', 'loading → loaded', 'woke'],
    ],
    [
      'a load straight into sleep',
      [lists('unloaded'), lists('sleeping')],
      ['unloaded → sleeping', 'loaded', 'slept'],
    ],
    [
      'a reload between two listings, by its process',
      [lists('loaded', { instance: 1 }), lists('loaded', { instance: 2 })],
      ['external while loaded', 'loaded, 0 s after it was external'],
    ],
    [
      'a reload between two listings after an unload that we asked for',
      [lists('loaded', { instance: 1 }), 'request', lists('loaded', { instance: 2 })],
      ['requested while loaded', 'loaded, 0 s after it was requested'],
    ],
    ['no reload where processes are not told', [lists('loaded'), lists('loaded')], []],
    [
      'a reload that sleeps already',
      [lists('loaded', { instance: 1 }), lists('sleeping', { instance: 2 })],
      ['loaded → sleeping', 'external while loaded', 'loaded, 0 s after it was external', 'slept'],
    ],
    [
      'a reload of what was waking',
      [
        lists('sleeping', { instance: 1 }),
        lists('loading', { instance: 1 }),
        lists('loaded', { instance: 2 }),
      ],
      [
        'sleeping → loading',
        'loading → loaded',
        'external while loading',
        'loaded, 0 s after it was external',
      ],
    ],
    [
      'another process in a status that nobody knows: it ends one life and counts no other',
      [lists('loaded', { instance: 1 }), lists('other', { instance: 2 }), lists('loaded', { instance: 2 })],
      ['loaded → other', 'external while loaded', 'other → loaded', 'loaded, 1 s after it was external'],
    ],
    [
      'a whole life between two listings',
      [lists('unloaded', { instance: 1 }), lists('unloaded', { instance: 2 })],
      ['loaded', 'external while loaded'],
    ],
    [
      'a load that came up and was unloaded between two listings: only what came up ends well',
      [lists('loading', { instance: 1 }), lists('unloaded', { instance: 1 })],
      ['loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'a load that ended between two listings, nobody knows how',
      [lists('loading'), lists('unloaded')],
      ['loading → unloaded'],
    ],
    [
      'a load after one that ended unseen: it may have failed or not',
      [lists('loading', { instance: 1 }), lists('loaded', { instance: 2 })],
      ['loading → loaded', 'loaded'],
    ],
    [
      'a load after one that we ended',
      [lists('loading', { instance: 1 }), 'request', lists('loading', { instance: 2 })],
      ['requested while loading'],
    ],
    [
      'a router that was started anew',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 0 })],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'a router that was started anew, where the model has failed since',
      [lists('loaded', { instance: 1 }), fails(2)],
      ['loaded → unloaded', 'external while loaded', 'failed to load'],
    ],
    [
      'a download that becomes a model',
      [lists('downloading'), lists('unloaded')],
      ['downloading → unloaded'],
    ],
    [
      'a download that is loaded',
      [lists('downloading'), lists('loaded')],
      ['downloading → loaded', 'loaded'],
    ],
  ];
  it.each(cases)('%s', (_, looks, changes) => expect(happened(looks)).toEqual(changes));
});

describe('told by events, with some lost and a listing after', () => {
  const cases: [string, Look[], string[]][] = [
    [
      'the end of an unload',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 1 }), exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload, told by the next start',
      [lists('loaded', { instance: 1 }), begins, tells('loaded')],
      [
        'loaded → loading',
        'external while loaded',
        'loading → loaded',
        'loaded in 1 s, 1 s after it was external',
      ],
    ],
    [
      'an unload of a waking model, told by the next start',
      [lists('sleeping'), progress(0), begins, tells('loaded')],
      [
        'sleeping → loading',
        'external while loading',
        'loading → loaded',
        'loaded in 1 s, 1 s after it was external',
      ],
    ],
    [
      'the word of a load, told by its clean end',
      [lists('unloaded', { instance: 0 }), begins, lists('unloaded', { instance: 1 })],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'the word of a load, told by the event of its clean end',
      [lists('unloaded'), begins, exits(0)],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'the word of a load that was evicted',
      [lists('unloaded'), begins, exits(0, true), 'evict'],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'evicted while loaded'],
    ],
    [
      'nothing: the process of a load is first named by the listing after it',
      [lists('unloaded', { instance: 1 }), begins, tells('loaded'), lists('loaded', { instance: 2 })],
      ['unloaded → loading', 'loading → loaded', 'loaded in 1 s'],
    ],
    [
      'nothing: a crash that an event told is in the listing after it',
      [lists('unloaded', { instance: 0 }), begins, tells('loaded'), exits(1), fails(2)],
      [
        'unloaded → loading',
        'loading → loaded',
        'loaded in 1 s',
        'loaded → unloaded',
        'crashed while loaded',
      ],
    ],
    [
      'a start that the listing showed first',
      [lists('unloaded', { instance: 0 }), lists('loading', { instance: 1 }), begins, tells('loaded')],
      ['unloaded → loading', 'loading → loaded', 'loaded in 2 s'],
    ],
    [
      'an pendingReason unload that a listing shows still gone',
      [lists('loaded', { instance: 1 }), exits(0, true), lists('unloaded', { instance: 1 }), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'an pendingReason unload that a listing shows loaded again',
      [lists('loaded', { instance: 1 }), exits(0, true), lists('loaded', { instance: 2 })],
      [
        'loaded → unloaded',
        'external while loaded',
        'unloaded → loaded',
        'loaded, 1 s after it was external',
      ],
    ],
  ];
  it.each(cases)('%s', (_, looks, changes) => expect(happened(looks)).toEqual(changes));
});

describe('at first sight', () => {
  it.each<[string, Observation, Lifecycle]>([
    ['a listed model at rest', lists('unloaded', { instance: 0 }), aLife({ instance: 0 })],
    [
      'a listed model that ended badly',
      fails(1),
      aLife({ instance: 1, loadFailed: true, markedFailed: true }),
    ],
    ['a listed model in memory', lists('loaded', { instance: 1 }), aLife({ status: 'loaded', instance: 1 })],
    ['a listed sleeper', lists('sleeping', { instance: 1 }), aLife({ status: 'sleeping', instance: 1 })],
    [
      'a listed load',
      lists('loading', { instance: 1 }),
      aLife({ status: 'loading', instance: 1, loading: { kind: 'load' } }),
    ],
    ['a listed download', lists('downloading'), aLife({ status: 'downloading' })],
    ['a listed model of unknown status', lists('other'), aLife({ status: 'other' })],
    ['a start', begins, aLife({ status: 'loading', since: 0, loading: { kind: 'load', startedAt: 0 } })],
    [
      'a load under way',
      progress(0.5),
      aLife({ status: 'loading', loading: { kind: 'load', progress: 0.5 } }),
    ],
    ['the end of a load', tells('loaded'), aLife({ status: 'loaded' })],
    ['falling asleep', tells('sleeping'), aLife({ status: 'sleeping' })],
    ['an end', exits(0, true), aLife()],
    ['a bad end', exits(1), aLife({ markedFailed: true })],
  ])('%s counts nothing', (_, look, lifecycle) =>
    expect(advance(undefined, look, 0, RULES)).toEqual({ lifecycle, changes: [{ kind: 'appeared' }] }),
  );

  it.each<[string, Look[], string[]]>([
    ['a start is timed', [begins, tells('loaded')], ['loading → loaded', 'loaded in 1 s']],
    ['a load under way is not', [lists('loading'), tells('loaded')], ['loading → loaded', 'loaded']],
    [
      'what was loaded then is unloaded',
      [lists('loaded'), exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unknown status that becomes a known one is no deed',
      [lists('other'), lists('loaded')],
      ['other → loaded'],
    ],
    ['an unknown status that ends is no deed', [lists('other'), lists('unloaded')], ['other → unloaded']],
  ])('%s', (_, looks, changes) => expect(happened(looks)).toEqual(changes));

  it.each<[string, Observation, Lifecycle['lastUnload'] | undefined]>([
    ['a model at rest', lists('unloaded'), { at: -60_000, reason: 'evicted' }],
    ['a start', begins, { at: -60_000, reason: 'evicted' }],
    ['a model that was loaded meanwhile', lists('loaded'), undefined],
    ['a load under way', progress(0), undefined],
  ])('an unload remembered from before is taken over by %s', (_, look, lastUnload) => {
    const { lifecycle } = advance(undefined, look, 0, RULES, { at: -60_000, reason: 'evicted' });
    expect(lifecycle.lastUnload).toEqual(lastUnload);
  });
});

describe('vanishing', () => {
  it.each<[string, Look[], string[]]>([
    ['at rest', [lists('unloaded'), 'vanish'], ['vanished']],
    ['while loaded', [lists('loaded'), 'vanish'], ['external while loaded', 'vanished']],
    ['while loading, which counts as nothing', [lists('loading'), 'vanish'], ['vanished']],
    [
      'after we asked for its unload',
      [lists('loaded'), 'request', 'vanish'],
      ['requested while loaded', 'vanished'],
    ],
    [
      'while pendingReason',
      [lists('loaded'), exits(0, true), 'vanish'],
      ['loaded → unloaded', 'external while loaded', 'vanished'],
    ],
    [
      'while its status is not known',
      [lists('loaded'), lists('other'), 'vanish'],
      ['loaded → other', 'external while loaded', 'vanished'],
    ],
  ])('%s', (_, looks, changes) => expect(happened(looks)).toEqual(changes));
});

describe('what is believed', () => {
  it('of a load, from its first word to its end', () => {
    const { lifecycle: loading } = live(lists('unloaded', { instance: 0 }), begins, progress(0.5));
    expect(loading).toEqual(
      aLife({ status: 'loading', since: 1000, loading: { kind: 'load', startedAt: 1000, progress: 0.5 } }),
    );
    const { lifecycle: loaded } = live(lists('unloaded'), begins, progress(0.5), tells('loaded'));
    expect(loaded).toEqual(aLife({ status: 'loaded', since: 3000 }));
  });

  it('of a wake', () =>
    expect(live(lists('sleeping', { instance: 1 }), progress(0)).lifecycle).toEqual(
      aLife({
        status: 'loading',
        since: 1000,
        instance: 1,
        loading: { kind: 'wake', startedAt: 1000, progress: 0 },
      }),
    ));

  it('of an unload: when, and why', () =>
    expect(live(lists('loaded', { instance: 1 }), exits(0)).lifecycle).toEqual(
      aLife({ since: 1000, instance: 1, lastUnload: { at: 1000, reason: 'external' } }),
    ));

  it('of an eviction: when it went, not when that was understood', () =>
    expect(live(lists('loaded'), exits(0, true), lists('unloaded'), 'evict').lifecycle).toEqual(
      aLife({ since: 1000, lastUnload: { at: 1000, reason: 'evicted' } }),
    ));

  it('of a status that nobody knows: the last one that is known', () =>
    expect(live(lists('loaded'), tells('other')).lifecycle).toEqual(
      aLife({ status: 'other', since: 1000, known: 'loaded' }),
    ));

  it('of a reload that no event told: it entered its status when that was seen', () =>
    expect(live(lists('loaded', { instance: 1 }), lists('loaded', { instance: 2 })).lifecycle).toEqual(
      aLife({ status: 'loaded', since: 1000, instance: 2 }),
    ));

  it.each<[string, Look[], boolean]>([
    ['after a failed load', [lists('unloaded'), begins, exits(1)], true],
    ['while it is tried again', [lists('unloaded'), begins, exits(1), begins], true],
    ['after a load', [lists('unloaded'), begins, exits(1), begins, tells('loaded')], false],
    ['after a crash', [lists('loaded'), exits(1)], false],
    ['after a forced kill', [lists('loaded'), 'request', exits(1)], false],
    ['after we ended the load', [lists('unloaded'), begins, 'request', exits(1)], false],
    [
      'after a failed load and one that we ended',
      [lists('unloaded'), begins, exits(1), begins, 'request', exits(1)],
      false,
    ],
    ['after a whole life between two listings', [fails(1), lists('unloaded', { instance: 2 })], false],
  ])('of the last load attempt, %s: failed is not the mark', (_, looks, failed) =>
    expect(beliefAfter(looks).loadFailed).toBe(failed),
  );

  it('of what we asked for: it ends with the model', () =>
    expect(live(lists('loaded'), 'request', exits(0)).lifecycle.unloadRequestedAt).toBeUndefined());

  it('of a second ask that is refused: the first still stands', () => {
    const twice = requestUnload(requestUnload(aLife({ status: 'loaded' }), 1), 2);
    expect(cancelUnloadRequest(twice, 1)).toEqual(aLife({ status: 'loaded', unloadRequestedAt: 1 }));
    expect(cancelUnloadRequest(aLife(), 1)).toEqual(aLife());
  });
});

describe('with time', () => {
  const unloadedAt0 = aLife({ lastUnload: { at: 0, reason: 'requested' } });

  it.each([
    [600_000, { reason: 'requested', afterSeconds: 600 }],
    [600_001, undefined],
  ])('a load %d ms after an unload is a reload within the window only', (at, reload) =>
    expect(advance(unloadedAt0, tells('loaded'), at, RULES).changes).toContainEqual({
      kind: 'loaded',
      ...(reload && { reload }),
    }),
  );

  it('a reload is counted once for each unload', () => {
    const { lifecycle } = advance(unloadedAt0, tells('loaded'), 1000, RULES);
    expect(lifecycle.lastUnload).toBeUndefined();
  });

  it.each([
    [600_000, 'requested'],
    [600_001, 'external'],
  ])('an end %d ms after we asked is %s', (at, reason) =>
    expect(
      advance(aLife({ status: 'loaded', unloadRequestedAt: 0 }), exits(0), at, RULES).changes,
    ).toContainEqual({
      kind: 'unloaded',
      reason,
      from: 'loaded',
    }),
  );
});
