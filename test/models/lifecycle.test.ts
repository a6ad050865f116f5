import { describe, expect, it } from '@jest/globals';
import type { Status } from '../../src/models/feed.ts';
import {
  advance,
  cancelUnloadRequest,
  requestUnload,
  type Step,
  settleReason,
  vanish,
} from '../../src/models/lifecycle.ts';
import type { Lifecycle } from '../../src/models/router-state.ts';
import type { Observation } from '../../src/models/unload-reason.ts';
import { aLife, inWords } from '../support/a-model.ts';

const RULES = { reloadWindowMs: 600_000 };
const SECOND = 1000;

type Input = Observation | 'request' | 'cancel' | 'evict' | 'settle' | 'vanish';

/** The changes that these observations lead to, a second apart; the first one makes the model appear. */
function live(first: Input, ...inputs: Input[]): { happened: string[]; lifecycle: Lifecycle } {
  let { lifecycle } = take(undefined, first, 0);
  const happened = inputs.flatMap((input, index) => {
    const step = take(lifecycle, input, (index + 1) * SECOND);
    lifecycle = step.lifecycle;
    return step.changes.map(inWords);
  });
  return { happened, lifecycle };
}

function take(lifecycle: Lifecycle | undefined, input: Input, at: number): Step {
  if (typeof input !== 'string') return advance(lifecycle, input, at, RULES);
  if (lifecycle === undefined) throw new Error('the first observation makes the model appear');
  if (input === 'evict' || input === 'settle') return settleReason(lifecycle, input === 'evict');
  if (input === 'vanish') return vanish(lifecycle, at);
  return {
    lifecycle: input === 'request' ? requestUnload(lifecycle, at) : cancelUnloadRequest(lifecycle),
    changes: [],
  };
}

const happened = ([first, ...inputs]: Input[]) => live(first ?? 'vanish', ...inputs).happened;
const lifecycleAfter = ([first, ...inputs]: Input[]) => live(first ?? 'vanish', ...inputs).lifecycle;

const lists = (status: Status, more: Partial<Observation & { via: 'listing' }> = {}): Observation => ({
  via: 'listing',
  status,
  ...more,
});
const event = (status: Status, more: Partial<Observation & { via: 'event' }> = {}): Observation => ({
  via: 'event',
  status,
  ...more,
});
const begins = event('loading', { begins: true });
const progress = (value: number) => event('loading', { progress: value });
const exits = (exitCode: number, mayEvict = false) => event('unloaded', { exitCode, mayEvict });
const fails = (instance?: number) =>
  lists('unloaded', { failed: true, ...(instance !== undefined && { instance }) });

describe('observed by events', () => {
  const cases: [string, Input[], string[]][] = [
    [
      'a load, with its duration',
      [lists('unloaded'), begins, progress(0), progress(1), event('loaded')],
      ['unloaded → loading', 'loading → loaded', 'loaded in 3 s'],
    ],
    [
      'a failed load',
      [lists('unloaded'), begins, exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    ['an external unload', [lists('loaded'), exits(0)], ['loaded → unloaded', 'external while loaded']],
    [
      'a requested unload',
      [lists('loaded'), 'request', exits(0)],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    [
      'a requested unload that was killed: neither a crash nor a failed load',
      [lists('loaded'), 'request', exits(1)],
      ['loaded → unloaded', 'requested by force while loaded'],
    ],
    [
      'an external unload that was killed, which inputs like a crash',
      [lists('loaded'), exits(1)],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'a requested unload while loading: no failure',
      [lists('unloaded'), begins, 'request', exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'requested while loading'],
    ],
    [
      'an external unload while loading, which inputs like a failed load',
      [lists('unloaded'), begins, exits(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'an unload after a cancelled unload request: external',
      [lists('loaded'), 'request', 'cancel', exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an eviction',
      [lists('loaded'), exits(0, true), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'an eviction of a sleeping model',
      [lists('sleeping'), exits(0, true), 'evict'],
      ['sleeping → unloaded', 'evicted while sleeping'],
    ],
    [
      'an unload on a full router without another start',
      [lists('loaded'), exits(0, true), 'settle'],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload on a full router, loaded again while its reason is pending',
      [lists('loaded'), exits(0, true), begins],
      ['loaded → unloaded', 'external while loaded', 'unloaded → loading'],
    ],
    [
      'an eviction that had to be forced',
      [lists('loaded'), exits(1, true), 'evict'],
      ['loaded → unloaded', 'evicted by force while loaded'],
    ],
    [
      'an eviction of a sleeping model that had to be forced',
      [lists('sleeping'), exits(1, true), 'evict'],
      ['sleeping → unloaded', 'evicted by force while sleeping'],
    ],
    [
      'a crash on a full router without another start',
      [lists('loaded'), exits(1, true), 'settle'],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'a crash on a full router, loaded again while its reason is pending',
      [lists('loaded'), exits(1, true), begins],
      ['loaded → unloaded', 'crashed while loaded', 'unloaded → loading'],
    ],
    [
      'a crash on a full router with an exit code that no kill has, at once',
      [lists('loaded'), exits(134, true)],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'a requested unload on a full router that was killed',
      [lists('loaded'), 'request', exits(1, true), 'evict'],
      ['loaded → unloaded', 'requested by force while loaded'],
    ],
    [
      'a failed load on a full router',
      [lists('unloaded'), begins, exits(1, true)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'a requested unload on a full router',
      [lists('loaded'), 'request', exits(0, true), 'evict'],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    ['a crash', [lists('loaded'), exits(1)], ['loaded → unloaded', 'crashed while loaded']],
    ['a crash asleep', [lists('sleeping'), exits(1)], ['sleeping → unloaded', 'crashed while sleeping']],
    ['falling asleep', [lists('loaded'), event('sleeping')], ['loaded → sleeping', 'slept']],
    [
      'a wake, which is no load',
      [lists('sleeping'), progress(0), progress(1), event('loaded')],
      ['sleeping → loading', 'loading → loaded', 'woke'],
    ],
    [
      'a crash while waking, which is no failed load',
      [lists('sleeping'), progress(0), exits(1)],
      ['sleeping → loading', 'loading → unloaded', 'crashed while loading'],
    ],
    [
      'an unload of a sleeping model',
      [lists('sleeping'), exits(0)],
      ['sleeping → unloaded', 'external while sleeping'],
    ],
    [
      'a reload directly after a requested unload',
      [lists('loaded'), 'request', exits(0), begins, event('loaded')],
      [
        'loaded → unloaded',
        'requested while loaded',
        'unloaded → loading',
        'loading → loaded',
        'loaded in 1 s, 2 s after it was requested',
      ],
    ],
    [
      'repeated events once',
      [lists('unloaded'), begins, begins, event('loaded'), event('loaded'), exits(1), exits(1)],
      [
        'unloaded → loading',
        'loading → loaded',
        'loaded in 2 s',
        'loaded → unloaded',
        'crashed while loaded',
      ],
    ],
    [
      'a repeated unload with a pending reason, which stays pending',
      [lists('loaded'), exits(0, true), exits(0, true), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'an unknown status: no change',
      [lists('loaded'), event('other'), event('loaded'), event('other'), exits(0)],
      ['loaded → other', 'other → loaded', 'loaded → other', 'other → unloaded', 'external while loaded'],
    ],
    [
      'an unknown status during a load',
      [lists('unloaded'), begins, event('other'), event('loaded')],
      ['unloaded → loading', 'loading → other', 'other → loaded', 'loaded in 2 s'],
    ],
    [
      'an unknown status during a wake',
      [lists('sleeping'), progress(0), event('other'), event('loaded')],
      ['sleeping → loading', 'loading → other', 'other → loaded', 'woke'],
    ],
  ];
  it.each(cases)('%s', (_, inputs, changes) => expect(happened(inputs)).toEqual(changes));
});

describe('observed by listings alone', () => {
  const cases: [string, Input[], string[]][] = [
    [
      'a load, with the observed part of its duration',
      [
        lists('unloaded', { instance: 0 }),
        lists('loading', { instance: 1 }),
        lists('loaded', { instance: 1 }),
      ],
      ['unloaded → loading', 'loading → loaded', 'loaded in 1 s'],
    ],
    [
      'a load that was never observed loading',
      [lists('unloaded', { instance: 0 }), lists('loaded', { instance: 1 })],
      ['unloaded → loaded', 'loaded'],
    ],
    [
      'a failed load',
      [lists('unloaded'), lists('loading', { instance: 1 }), fails(1)],
      ['unloaded → loading', 'loading → unloaded', 'failed to load'],
    ],
    [
      'a failed load that was never observed loading',
      [lists('unloaded', { instance: 0 }), fails(1)],
      ['failed to load'],
    ],
    ['a second failed load', [fails(1), fails(2)], ['failed to load']],
    ['no second failure in the same mark', [fails(1), fails(1)], []],
    ['a failed load on a build that lists no ports', [lists('unloaded'), fails()], ['failed to load']],
    ['no second failure there', [lists('unloaded'), fails(), fails()], ['failed to load']],
    [
      'an unload',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 1 })],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'a requested unload',
      [lists('loaded'), 'request', fails()],
      ['loaded → unloaded', 'requested by force while loaded'],
    ],
    [
      'an eviction',
      [lists('loaded'), lists('unloaded', { eviction: 'likely' })],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'a crash, or the kill of an evicted model, while another model started: unknown',
      [lists('loaded'), lists('unloaded', { eviction: 'likely', failed: true })],
      ['loaded → unloaded', 'unknown while loaded'],
    ],
    [
      'an unload, an eviction or a crash, on a router that kills what it unloads',
      [lists('loaded'), lists('unloaded', { failed: true, exitCode: 1, killsAtOnce: true })],
      ['loaded → unloaded', 'unknown while loaded'],
    ],
    [
      'an eviction on a router that kills what it unloads',
      [
        lists('loaded'),
        lists('unloaded', { failed: true, exitCode: 1, eviction: 'likely', killsAtOnce: true }),
      ],
      ['loaded → unloaded', 'evicted by force while loaded'],
    ],
    [
      'a crash with an exit code of its own, while another model started',
      [lists('loaded'), lists('unloaded', { eviction: 'likely', failed: true, exitCode: 139 })],
      ['loaded → unloaded', 'crashed while loaded'],
    ],
    [
      'a restart of a router that lists an exit code for models it never started',
      [
        lists('loaded', { instance: 1 }),
        lists('unloaded', { instance: 0, failed: true, exitCode: 10, killsAtOnce: true }),
      ],
      ['loaded → unloaded', 'external while loaded'],
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
      'a wake of a model that was never observed asleep',
      [lists('loaded', { instance: 1 }), lists('loading', { instance: 1 }), lists('loaded', { instance: 1 })],
      ['loaded → loading', 'slept', 'loading → loaded', 'woke'],
    ],
    [
      'an unload that may have been an eviction',
      [lists('loaded'), lists('unloaded', { eviction: 'possible' })],
      ['loaded → unloaded', 'unknown while loaded'],
    ],
    [
      'a requested unload while another model started',
      [lists('loaded'), 'request', lists('unloaded', { eviction: 'likely' })],
      ['loaded → unloaded', 'requested while loaded'],
    ],
    [
      'a load that was never observed and was unloaded on request',
      [lists('unloaded', { instance: 1 }), 'request', fails(2)],
      ['requested while loading'],
    ],
    [
      'a wake after a load and a sleep that were not observed',
      [
        lists('loading', { instance: 1 }),
        lists('loading', { instance: 1, hasLoaded: true }),
        lists('loaded'),
      ],
      ['loaded', 'slept', 'loading → loaded', 'woke'],
    ],
    [
      'a wake of another process, whose load and sleep were not observed',
      [lists('loaded', { instance: 1 }), lists('loading', { instance: 2, hasLoaded: true }), lists('loaded')],
      [
        'loaded → loading',
        'unknown while loaded',
        'loaded, 0 s after it was unknown',
        'slept',
        'loading → loaded',
        'woke',
      ],
    ],
    [
      'a load in the place of a process that was asleep, where no ports are known',
      [lists('sleeping'), lists('loading', { hasLoaded: false }), lists('loaded')],
      [
        'sleeping → loading',
        'unknown while sleeping',
        'loading → loaded',
        'loaded in 1 s, 1 s after it was unknown',
      ],
    ],
    [
      'a load in the place of a loaded process, where no ports are known',
      [lists('loaded'), lists('loading', { hasLoaded: false })],
      ['loaded → loading', 'unknown while loaded'],
    ],
    [
      'nothing, where a process that no listing has named was asleep and is loaded: it may be another one',
      [begins, event('loaded'), event('sleeping'), lists('loaded', { instance: 1 })],
      ['loading → loaded', 'loaded in 1 s', 'loaded → sleeping', 'slept', 'sleeping → loaded'],
    ],
    [
      'a wake of a build that does not tell loads from wakes',
      [lists('sleeping'), lists('loading'), lists('loaded')],
      ['sleeping → loading', 'loading → loaded', 'woke'],
    ],
    [
      'a wake under way that has the facts of its load',
      [
        lists('sleeping'),
        lists('loading', { hasLoaded: true }),
        lists('loading', { hasLoaded: true }),
        lists('loaded'),
      ],
      ['sleeping → loading', 'loading → loaded', 'woke'],
    ],
    [
      'a load that was asleep before it was observed loaded, without a duration',
      [
        lists('unloaded', { instance: 0 }),
        lists('loading', { instance: 1 }),
        lists('sleeping', { instance: 1 }),
      ],
      ['unloaded → loading', 'loading → sleeping', 'loaded', 'slept'],
    ],
    [
      'a load straight into sleep',
      [lists('unloaded'), lists('sleeping')],
      ['unloaded → sleeping', 'loaded', 'slept'],
    ],
    [
      'a reload between two listings, by its port',
      [lists('loaded', { instance: 1 }), lists('loaded', { instance: 2 })],
      ['unknown while loaded', 'loaded, 0 s after it was unknown'],
    ],
    [
      'a reload between two listings after a requested unload',
      [lists('loaded', { instance: 1 }), 'request', lists('loaded', { instance: 2 })],
      ['requested while loaded', 'loaded, 0 s after it was requested'],
    ],
    ['no reload where processes are not told', [lists('loaded'), lists('loaded')], []],
    [
      'a reload of a model that is asleep again',
      [lists('loaded', { instance: 1 }), lists('sleeping', { instance: 2 })],
      ['loaded → sleeping', 'unknown while loaded', 'loaded, 0 s after it was unknown', 'slept'],
    ],
    [
      'a reload of a waking model',
      [
        lists('sleeping', { instance: 1 }),
        lists('loading', { instance: 1 }),
        lists('loaded', { instance: 2 }),
      ],
      ['sleeping → loading', 'loading → loaded', 'unknown while loading', 'loaded, 0 s after it was unknown'],
    ],
    [
      'another process in an unknown status: an unload and no load',
      [lists('loaded', { instance: 1 }), lists('other', { instance: 2 }), lists('loaded', { instance: 2 })],
      ['loaded → other', 'unknown while loaded', 'other → loaded', 'loaded, 1 s after it was unknown'],
    ],
    [
      'a load and an unload between two listings',
      [lists('unloaded', { instance: 1 }), lists('unloaded', { instance: 2 })],
      ['loaded', 'external while loaded'],
    ],
    [
      'a load that ended and was unloaded between two listings: only a loaded model exits cleanly',
      [lists('loading', { instance: 1 }), lists('unloaded', { instance: 1 })],
      ['loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'a load that ended between two listings in an unknown way',
      [lists('loading'), lists('unloaded')],
      ['loading → unloaded'],
    ],
    [
      'a load after one whose end was not observed',
      [lists('loading', { instance: 1 }), lists('loaded', { instance: 2 })],
      ['loading → loaded', 'loaded'],
    ],
    [
      'a load after one that was unloaded on request',
      [lists('loading', { instance: 1 }), 'request', lists('loading', { instance: 2 })],
      ['requested while loading'],
    ],
    [
      'a load and an unload on request after a load whose end was not observed: one unload',
      [lists('loading', { instance: 1 }), 'request', lists('unloaded', { instance: 2 })],
      ['loading → unloaded', 'loaded', 'requested while loaded'],
    ],
    [
      'a restarted router',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 0 })],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'a restarted router whose model has failed since',
      [lists('loaded', { instance: 1 }), fails(2)],
      ['loaded → unloaded', 'unknown while loaded', 'failed to load'],
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
  it.each(cases)('%s', (_, inputs, changes) => expect(happened(inputs)).toEqual(changes));
});

describe('observed by events, with some lost and a listing after them', () => {
  const cases: [string, Input[], string[]][] = [
    [
      'the end of an unload',
      [lists('loaded', { instance: 1 }), lists('unloaded', { instance: 1 }), exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    [
      'an unload, by the next start',
      [lists('loaded', { instance: 1 }), begins, event('loaded')],
      [
        'loaded → loading',
        'unknown while loaded',
        'loading → loaded',
        'loaded in 1 s, 1 s after it was unknown',
      ],
    ],
    [
      'an unload of a waking model, by the next start',
      [lists('sleeping'), progress(0), begins, event('loaded')],
      [
        'sleeping → loading',
        'unknown while loading',
        'loading → loaded',
        'loaded in 1 s, 1 s after it was unknown',
      ],
    ],
    [
      'the end of a load, by a listed clean exit',
      [lists('unloaded', { instance: 0 }), begins, lists('unloaded', { instance: 1 })],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'the end of a load, by the event of a clean exit',
      [lists('unloaded'), begins, exits(0)],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'external while loaded'],
    ],
    [
      'the end of a load that was evicted',
      [lists('unloaded'), begins, exits(0, true), 'evict'],
      ['unloaded → loading', 'loading → unloaded', 'loaded', 'evicted while loaded'],
    ],
    [
      'nothing: the port of a load is first listed after it',
      [lists('unloaded', { instance: 1 }), begins, event('loaded'), lists('loaded', { instance: 2 })],
      ['unloaded → loading', 'loading → loaded', 'loaded in 1 s'],
    ],
    [
      'nothing: a crash after its event is listed too',
      [lists('unloaded', { instance: 0 }), begins, event('loaded'), exits(1), fails(2)],
      [
        'unloaded → loading',
        'loading → loaded',
        'loaded in 1 s',
        'loaded → unloaded',
        'crashed while loaded',
      ],
    ],
    [
      'a start that was listed before its event',
      [lists('unloaded', { instance: 0 }), lists('loading', { instance: 1 }), begins, event('loaded')],
      ['unloaded → loading', 'loading → loaded', 'loaded in 2 s'],
    ],
    [
      'an unload with a pending reason, listed as unloaded',
      [lists('loaded', { instance: 1 }), exits(0, true), lists('unloaded', { instance: 1 }), 'evict'],
      ['loaded → unloaded', 'evicted while loaded'],
    ],
    [
      'an unload with a pending reason, listed as loaded again',
      [lists('loaded', { instance: 1 }), exits(0, true), lists('loaded', { instance: 2 })],
      [
        'loaded → unloaded',
        'external while loaded',
        'unloaded → loaded',
        'loaded, 1 s after it was external',
      ],
    ],
  ];
  it.each(cases)('%s', (_, inputs, changes) => expect(happened(inputs)).toEqual(changes));
});

describe('the first observation', () => {
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
    [
      'a listed wake',
      lists('loading', { instance: 1, hasLoaded: true }),
      aLife({ status: 'loading', instance: 1, loading: { kind: 'wake' } }),
    ],
    ['a listed download', lists('downloading'), aLife({ status: 'downloading' })],
    ['a listed model of unknown status', lists('other'), aLife({ status: 'other' })],
    ['a start', begins, aLife({ status: 'loading', since: 0, loading: { kind: 'load', startedAt: 0 } })],
    [
      'a load under way',
      progress(0.5),
      aLife({ status: 'loading', loading: { kind: 'load', progress: 0.5 } }),
    ],
    ['the end of a load', event('loaded'), aLife({ status: 'loaded' })],
    ['falling asleep', event('sleeping'), aLife({ status: 'sleeping' })],
    ['an end', exits(0, true), aLife()],
    ['a bad end', exits(1), aLife({ markedFailed: true })],
  ])('%s counts nothing', (_, input, lifecycle) =>
    expect(advance(undefined, input, 0, RULES)).toEqual({ lifecycle, changes: [{ kind: 'appeared' }] }),
  );

  it.each<[string, Input[], string[]]>([
    ['a start is timed', [begins, event('loaded')], ['loading → loaded', 'loaded in 1 s']],
    ['a load under way is not', [lists('loading'), event('loaded')], ['loading → loaded', 'loaded']],
    [
      'an unload of a model that was loaded before',
      [lists('loaded'), exits(0)],
      ['loaded → unloaded', 'external while loaded'],
    ],
    ['an unknown status that becomes a known one', [lists('other'), lists('loaded')], ['other → loaded']],
    ['an unknown status that becomes unloaded', [lists('other'), lists('unloaded')], ['other → unloaded']],
  ])('%s', (_, inputs, changes) => expect(happened(inputs)).toEqual(changes));

  it.each<[string, Observation, Lifecycle['lastUnload'] | undefined]>([
    ['a model at rest', lists('unloaded'), { at: -60_000, reason: 'evicted' }],
    ['a start', begins, { at: -60_000, reason: 'evicted' }],
    ['a model that was loaded meanwhile', lists('loaded'), undefined],
    ['a load under way', progress(0), undefined],
  ])('an earlier unload is taken over by %s', (_, input, lastUnload) => {
    const { lifecycle } = advance(undefined, input, 0, RULES, { at: -60_000, reason: 'evicted' });
    expect(lifecycle.lastUnload).toEqual(lastUnload);
  });
});

describe('vanishing', () => {
  it.each<[string, Input[], string[]]>([
    ['at rest', [lists('unloaded'), 'vanish'], ['vanished']],
    ['while loaded', [lists('loaded'), 'vanish'], ['external while loaded', 'vanished']],
    ['while loading, which counts as nothing', [lists('loading'), 'vanish'], ['vanished']],
    [
      'with a pending unload request',
      [lists('loaded'), 'request', 'vanish'],
      ['requested while loaded', 'vanished'],
    ],
    [
      'with a pending unload reason',
      [lists('loaded'), exits(0, true), 'vanish'],
      ['loaded → unloaded', 'external while loaded', 'vanished'],
    ],
    [
      'in an unknown status',
      [lists('loaded'), lists('other'), 'vanish'],
      ['loaded → other', 'external while loaded', 'vanished'],
    ],
  ])('%s', (_, inputs, changes) => expect(happened(inputs)).toEqual(changes));
});

describe('the lifecycle', () => {
  it('of a load, from start to end', () => {
    const { lifecycle: loading } = live(lists('unloaded', { instance: 0 }), begins, progress(0.5));
    expect(loading).toEqual(
      aLife({ status: 'loading', since: 1000, loading: { kind: 'load', startedAt: 1000, progress: 0.5 } }),
    );
    const { lifecycle: loaded } = live(lists('unloaded'), begins, progress(0.5), event('loaded'));
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

  it('of an eviction has the time of the unload, not of the decision', () =>
    expect(live(lists('loaded'), exits(0, true), lists('unloaded'), 'evict').lifecycle).toEqual(
      aLife({ since: 1000, lastUnload: { at: 1000, reason: 'evicted' } }),
    ));

  it('of an unknown status keeps the last known one', () =>
    expect(live(lists('loaded'), event('other')).lifecycle).toEqual(
      aLife({ status: 'other', since: 1000, known: 'loaded' }),
    ));

  it('of an unobserved reload has the time of the observation', () =>
    expect(live(lists('loaded', { instance: 1 }), lists('loaded', { instance: 2 })).lifecycle).toEqual(
      aLife({ status: 'loaded', since: 1000, instance: 2 }),
    ));

  it.each<[string, Input[], boolean]>([
    ['after a failed load', [lists('unloaded'), begins, exits(1)], true],
    ['while it is tried again', [lists('unloaded'), begins, exits(1), begins], true],
    ['after a load', [lists('unloaded'), begins, exits(1), begins, event('loaded')], false],
    ['after a crash', [lists('loaded'), exits(1)], false],
    ['after a forced kill', [lists('loaded'), 'request', exits(1)], false],
    ['after we ended the load', [lists('unloaded'), begins, 'request', exits(1)], false],
    [
      'after a failed load and one that we ended',
      [lists('unloaded'), begins, exits(1), begins, 'request', exits(1)],
      false,
    ],
    ['after a whole life between two listings', [fails(1), lists('unloaded', { instance: 2 })], false],
  ])('of the last load, %s: failed is not the mark of the router', (_, inputs, failed) =>
    expect(lifecycleAfter(inputs).loadFailed).toBe(failed),
  );

  it('of a requested unload has no pending request any more', () =>
    expect(live(lists('loaded'), 'request', exits(0)).lifecycle.unloadRequestedAt).toBeUndefined());

  it('of a cancelled second unload request keeps the first one', () => {
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
    expect(advance(unloadedAt0, event('loaded'), at, RULES).changes).toContainEqual({
      kind: 'loaded',
      ...(reload && { reload }),
    }),
  );

  it('a reload is counted once for each unload', () => {
    const { lifecycle } = advance(unloadedAt0, event('loaded'), 1000, RULES);
    expect(lifecycle.lastUnload).toBeUndefined();
  });

  it.each([
    [600_000, 'requested'],
    [600_001, 'external'],
  ])('an unload %d ms after the request is %s', (at, reason) =>
    expect(
      advance(aLife({ status: 'loaded', unloadRequestedAt: 0 }), exits(0), at, RULES).changes,
    ).toContainEqual({
      kind: 'unloaded',
      reason,
      from: 'loaded',
    }),
  );
});
