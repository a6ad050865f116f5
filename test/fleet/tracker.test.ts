import { afterEach, describe, expect, it } from '@jest/globals';
import { startTracker, type Tracker } from '../../src/fleet/tracker.ts';
import { failed, ok } from '../../src/lib/result.ts';
import type { RouterEvent } from '../../src/models/feed.ts';
import type { Notice } from '../../src/models/router-state.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, begun, ended, listed, recordChanges, turned } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createScriptedFeed, type ScriptedFeed, TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const PACE = { listingMs: 30_000, pollingMs: 2000, reconnectMinMs: 1000, reconnectMaxMs: 8000 };
const RELOADED: RouterEvent = { name: 'models_reload', kind: 'list_changed' };
const MINUTE = 60_000;

const started: Tracker[] = [];
afterEach(async () => {
  for (const tracker of started.splice(0)) await tracker.stop();
});

/** Follows a scripted router, by default with the longest random back-off. */
function follow(script: Partial<ScriptedFeed> = {}, random = () => 1) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 10 * MINUTE });
  const entry = addRouter(store, 'router', 'http://router');
  const feed = Object.assign(createScriptedFeed(clock), script);
  const notices: Notice[] = [];
  const happened = recordChanges(store);
  const tracker = startTracker({
    feed,
    store,
    router: entry.state,
    pace: PACE,
    notice: (notice) => notices.push(notice),
    random,
  });
  started.push(tracker);
  return { clock, store, entry, feed, notices, happened, tracker };
}

const lists = (...models: Parameters<typeof aListing>) => ok(aListing(...models));

describe('the first listing', () => {
  it('starts as soon as the stream is connected', async () => {
    const { clock, feed, entry } = follow({ listing: lists(listed('a', 'loaded')) });
    await clock.advance(50);
    expect(feed.listings).toEqual([0]);
    expect(entry.state).toMatchObject({ up: true, stream: 'connected' });
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('loaded');
  });

  it('waits for the stream for one second at most', async () => {
    const { clock, feed } = follow({ stream: 'silent' });
    await clock.advance(999);
    expect(feed.listings).toEqual([]);
    await clock.advance(1);
    expect(feed.listings).toEqual([1000]);
  });

  it.each(['unsupported' as const, UNREACHABLE])(
    'does not wait for a stream that fails: %j',
    async (stream) => {
      const { clock, feed } = follow({ stream });
      await clock.advance(0);
      expect(feed.listings).toEqual([0]);
    },
  );

  it('makes the tracker ready, whether it succeeds or fails', async () => {
    for (const listing of [lists(), failed(UNREACHABLE)]) {
      const { clock, tracker } = follow({ listing, listingMs: 100 });
      let ready = false;
      void tracker.ready.then(() => {
        ready = true;
      });
      await clock.advance(99);
      expect(ready).toBe(false);
      await clock.advance(51);
      expect(ready).toBe(true);
    }
  });
});

describe('while events arrive', () => {
  it.each([
    ['30 s', 0, 21],
    ['33 s', 1, 19],
  ])('there is a listing every %s at random', async (_, random, listings) => {
    const { clock, feed, happened } = follow({ listing: lists(listed('a', 'unloaded')) }, () => random);
    await clock.advance(1000);
    feed.say(begun('a'), turned('a', 'loaded'));
    feed.listing = lists(listed('a', 'loaded'));
    await clock.advance(10 * MINUTE);
    expect(happened).toEqual(['a appeared', 'a loaded in 0 s']);
    expect(feed.listings).toHaveLength(listings);
    const pauses = feed.listings.slice(1).map((at, index) => at - (feed.listings[index] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(30_000);
    expect(feed.attempts).toEqual([0]);
  });

  it('each is counted by its name', async () => {
    const { clock, feed, notices } = follow();
    await clock.advance(1000);
    feed.say(begun('a'), turned('a', 'loaded'), RELOADED, { name: 'other', kind: 'unknown' });
    expect(notices.flatMap((notice) => (notice.kind === 'event' ? [notice.event] : []))).toEqual([
      'model_status',
      'status_change',
      'models_reload',
      'other',
    ]);
  });

  it('a changed list is read at once, and at most twice a second', async () => {
    const { clock, feed } = follow();
    await clock.advance(10_000);
    feed.listings.length = 0;
    feed.say(RELOADED);
    await clock.advance(1);
    expect(feed.listings).toEqual([10_000]);
    for (let n = 0; n < 100; n += 1) {
      feed.say(RELOADED);
      await clock.advance(10);
    }
    await clock.advance(5000);
    expect(feed.listings).toEqual([10_000, 10_500, 11_000]);
  });

  it('a list that changes during a listing is read again', async () => {
    const { clock, feed } = follow({ listingMs: 300 });
    await clock.advance(10);
    feed.say(RELOADED);
    await clock.advance(2000);
    expect(feed.listings).toEqual([0, 850]);
  });

  it('an event that arrives during a listing is newer than the listing', async () => {
    const { clock, feed, entry, happened } = follow({ listing: lists(listed('a', 'loaded')) });
    await clock.advance(1000);
    feed.listingMs = 300;
    feed.say(RELOADED);
    await clock.advance(100);
    feed.say(ended('a'));
    await clock.advance(1000);
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('unloaded');
    expect(happened).toEqual(['a appeared', 'a external while loaded']);
  });

  it('an event that arrives up to 50 ms after the listing that shows its effect still counts', async () => {
    const { clock, feed, happened } = follow({ listing: lists(listed('a', 'unloaded')) });
    await clock.advance(1000);
    feed.listing = lists(listed('a', 'loaded', { instance: 1 }));
    feed.say(RELOADED);
    await clock.advance(20);
    feed.say(begun('a'));
    await clock.advance(20);
    feed.say(turned('a', 'loaded'));
    await clock.advance(1000);
    expect(happened).toEqual(['a appeared', 'a loaded in 0.02 s']);
  });

  it('the progress of a download does not make its listing outdated', async () => {
    const { clock, feed, entry } = follow({ listing: lists(listed('a', 'unloaded')) });
    await clock.advance(1000);
    feed.listing = lists(listed('a', 'downloading'));
    feed.say(RELOADED);
    await clock.advance(20);
    feed.say({ name: 'download_progress', kind: 'download', model: 'a', doneBytes: 1, totalBytes: 2 });
    await clock.advance(100);
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('downloading');
  });
});

describe('without an event stream', () => {
  it('the router is polled every 2 s, and the stream tried every 5 minutes', async () => {
    const { clock, feed, entry } = follow({ stream: 'unsupported' });
    await clock.advance(10_000);
    expect(entry.state).toMatchObject({ stream: 'unsupported', pollingMs: 2000 });
    expect(feed.listings).toEqual([0, 2000, 4000, 6000, 8000, 10_000]);
    await clock.advance(10 * MINUTE);
    expect(feed.attempts).toEqual([0, 5 * MINUTE, 10 * MINUTE]);
  });

  it('the router is polled every 0.5 s for a minute after a change', async () => {
    const { clock, feed } = follow({ stream: 'unsupported', listing: lists(listed('a', 'unloaded')) });
    await clock.advance(1000);
    feed.listing = lists(listed('a', 'loaded'));
    await clock.advance(65_000);
    expect(feed.listings.slice(0, 5)).toEqual([0, 2000, 2500, 3000, 3500]);
    expect(feed.listings.slice(-4)).toEqual([61_500, 62_000, 64_000, 66_000]);
  });

  it('the router is polled every 0.5 s after a request for a listing, from its answer on', async () => {
    const { clock, feed, tracker } = follow({ stream: 'unsupported' });
    await clock.advance(4700);
    await tracker.refresh();
    await tracker.refresh();
    await clock.advance(1100);
    expect(feed.listings).toEqual([0, 2000, 4000, 4700, 4700, 4700, 5200, 5700]);
  });

  it('changes seen by polling are counted', async () => {
    const { clock, feed, happened, entry } = follow({
      stream: 'unsupported',
      listing: lists(listed('a', 'unloaded', { instance: 0 })),
    });
    await clock.advance(1000);
    feed.listing = lists(listed('a', 'loading', { instance: 1 }));
    await clock.advance(2000);
    feed.listing = lists(listed('a', 'loaded', { instance: 1 }));
    await clock.advance(2000);
    entry.markUnloadPending('a');
    feed.listing = lists(listed('a', 'unloaded', { instance: 1, failed: true }));
    await clock.advance(2000);
    feed.listing = lists(listed('a', 'unloaded', { instance: 2, failed: true }));
    await clock.advance(2000);
    expect(happened).toEqual([
      'a appeared',
      'a loaded in 1.5 s',
      'a requested by force while loaded',
      'a failed to load',
    ]);
  });

  it('the stream of a new build is opened when the router is back', async () => {
    const { clock, feed, entry } = follow({ stream: 'unsupported' });
    await clock.advance(1000);
    feed.listing = failed(UNREACHABLE);
    await clock.advance(2000);
    expect(entry.state.up).toBe(false);
    feed.listing = lists();
    feed.stream = 'opens';
    await clock.advance(5000);
    expect(entry.state).toMatchObject({ up: true, stream: 'connected' });
    expect(feed.attempts.length).toBe(2);
  });
});

describe('a stream that is being opened during a listing', () => {
  /** The stream ends; the next attempt hangs, and the listing that the loss requests shows a load. */
  async function reopening() {
    const followed = follow({ listing: lists(listed('a', 'unloaded')) });
    const { clock, feed } = followed;
    await clock.advance(20_000);
    feed.stream = 'silent';
    feed.listingMs = 1500;
    feed.listing = lists(listed('a', 'loaded', { instance: 1 }));
    feed.endStream();
    await clock.advance(1500);
    expect(feed.attempts).toEqual([0, 21_000]);
    return followed;
  }

  it('comes first: a load that both show counts once', async () => {
    const { clock, feed, happened } = await reopening();
    await clock.advance(900);
    feed.openStream();
    feed.say(begun('a'), turned('a', 'loaded'));
    await clock.advance(10_000);
    expect(happened).toEqual(['a appeared', 'a loaded in 0 s']);
    expect(feed.attempts).toHaveLength(2);
  });

  it('is waited for one second, then dropped for another one', async () => {
    const { clock, feed, happened } = await reopening();
    await clock.advance(999);
    expect(happened).toEqual(['a appeared']);
    await clock.advance(1);
    expect(happened).toEqual(['a appeared', 'a loaded']);
    expect(feed.underway().streams).toBe(0);
    feed.stream = 'opens';
    await clock.advance(10_000);
    expect(feed.attempts).toHaveLength(3);
    expect(happened).toEqual(['a appeared', 'a loaded']);
  });
});

describe('a stream that ends', () => {
  it('is opened again, with a listing when it is lost and another when it is connected', async () => {
    const { clock, feed, entry, notices } = follow();
    await clock.advance(20_000);
    feed.listings.length = 0;
    feed.endStream();
    await clock.advance(0);
    expect(entry.state.stream).toBe('connecting');
    await clock.advance(2000);
    expect(entry.state.stream).toBe('connected');
    expect(feed.attempts).toEqual([0, 21_000]);
    expect(feed.listings).toEqual([20_000, 21_000]);
    expect(notices.filter(({ kind }) => kind === 'reconnecting')).toHaveLength(1);
  });

  it('is tried again after doubling waits, and after the shortest once it was stable', async () => {
    const { clock, feed } = follow({ stream: TIMEOUT });
    await clock.advance(32_000);
    expect(feed.attempts).toEqual([0, 1000, 3000, 7000, 15_000, 23_000, 31_000]);
    feed.stream = 'opens';
    await clock.advance(20_000);
    feed.attempts.length = 0;
    feed.stream = TIMEOUT;
    feed.endStream();
    await clock.advance(4000);
    expect(feed.attempts).toEqual([53_000, 55_000]);
  });

  it('is tried again after growing waits while it never gets stable', async () => {
    const { clock, feed } = follow();
    for (let n = 0; n < 4; n += 1) {
      await clock.advance(9000);
      feed.endStream();
    }
    await clock.advance(10_000);
    expect(feed.attempts).toEqual([0, 10_000, 20_000, 31_000, 44_000]);
  });

  it('is tried again after at least half the wait', async () => {
    const { clock, feed } = follow({ stream: TIMEOUT }, () => 0);
    await clock.advance(4000);
    expect(feed.attempts).toEqual([0, 500, 1500, 3500]);
  });

  it('loses no status, load or unload: the next listing shows them', async () => {
    const { clock, feed, happened } = follow({
      listing: lists(listed('a', 'loaded', { instance: 1 }), listed('b', 'unloaded', { instance: 0 })),
    });
    await clock.advance(20_000);
    feed.listing = lists(listed('a', 'loaded', { instance: 3 }), listed('b', 'unloaded', { instance: 2 }));
    feed.endStream();
    await clock.advance(2000);
    expect(happened).toEqual([
      'a appeared',
      'b appeared',
      'a unknown while loaded',
      'a loaded, 0 s after it was unknown',
      'b loaded',
      'b unknown while loaded',
    ]);
  });

  describe('a load that started in the gap is no wake', () => {
    /** A model in this state, whose process is replaced during a gap; the events arrive before the next listing. */
    async function replaced(state: 'loaded' | 'sleeping', ...events: RouterEvent[]) {
      const followed = follow({ listing: lists(listed('a', state, { instance: 1 })), listingMs: 100 });
      const { clock, feed } = followed;
      await clock.advance(20_000);
      feed.endStream();
      await clock.advance(500);
      feed.listing = lists(listed('a', 'loading', { instance: 2 }));
      await clock.advance(550);
      expect(followed.entry.state.stream).toBe('connected');
      feed.say(...events);
      return followed;
    }

    const PROGRESS = turned('a', 'loading', { progress: 0.5 });
    const LOADED = turned('a', 'loaded', { facts: { parameters: 1 } });

    it.each(['loaded' as const, 'sleeping' as const])('where the model was %s', async (state) => {
      const { clock, feed, happened } = await replaced(state, PROGRESS);
      await clock.advance(1000);
      feed.say(LOADED);
      expect(happened).toEqual([
        'a appeared',
        `a unknown while ${state}`,
        expect.stringMatching(/^a loaded in .* s, .* s after it was unknown$/),
      ]);
    });

    it.each([[[LOADED]], [[PROGRESS, LOADED]]])('where it ends before the listing: %j', async (events) => {
      const { happened } = await replaced('sleeping', ...events);
      expect(happened).toEqual([
        'a appeared',
        'a unknown while sleeping',
        'a loaded, 0 s after it was unknown',
      ]);
    });

    it('where it is asleep again before the listing: it fell asleep once', async () => {
      const { clock, feed, happened } = await replaced('loaded', turned('a', 'sleeping'));
      feed.listing = lists(listed('a', 'sleeping', { instance: 2 }));
      await clock.advance(10_000);
      expect(happened).toEqual(['a appeared', 'a slept']);
    });

    it('but one whose end has no facts is', async () => {
      const { happened } = await replaced('sleeping', PROGRESS, turned('a', 'loaded'));
      expect(happened).toEqual(['a appeared', 'a woke']);
    });
  });

  it('setting the clock back does not stop listings', async () => {
    const { clock, feed } = follow({ stream: 'unsupported' });
    await clock.advance(2000);
    feed.listings.length = 0;
    clock.set(clock.now() - 3_600_000);
    await clock.advance(6000);
    expect(feed.listings).toHaveLength(3);
  });
});

describe('a stream that is deaf', () => {
  it('is dropped when a listing shows a change without an event', async () => {
    const { clock, feed, notices } = follow({ listing: lists(listed('a', 'loaded')) });
    await clock.advance(20_000);
    feed.listing = lists(listed('a', 'unloaded'));
    await clock.advance(15_000);
    expect(feed.attempts.length).toBe(2);
    expect(notices.filter(({ kind }) => kind === 'reconnecting')).toHaveLength(1);
    expect(feed.underway().streams).toBe(1);
  });

  it('is dropped when the listing of an operation shows that', async () => {
    const { clock, feed, tracker } = follow({ listing: lists(listed('a', 'loaded')) });
    await clock.advance(20_000);
    feed.listing = lists(listed('a', 'unloaded'));
    void tracker.refresh();
    await clock.advance(5000);
    expect(feed.attempts.length).toBe(2);
  });

  it('is not one that was connected after the change', async () => {
    const { clock, feed } = follow({ listing: lists(listed('a', 'loaded')) });
    await clock.advance(20_000);
    feed.endStream();
    await clock.advance(900);
    feed.listing = lists(listed('a', 'unloaded'));
    await clock.advance(20_000);
    expect(feed.attempts).toEqual([0, 21_000]);
  });

  it('is not one that was connected during the listing before', async () => {
    const { clock, feed } = follow({
      stream: 'silent',
      listing: lists(listed('a', 'loaded')),
      listingMs: 500,
    });
    await clock.advance(1200); // The listing is asked for after 1 s.
    feed.openStream();
    await clock.advance(500);
    feed.listing = lists(listed('a', 'unloaded'));
    await clock.advance(20_000);
    expect(feed.listings).toHaveLength(2);
    expect(feed.attempts).toEqual([0]);
  });

  it('is not one without events of downloads', async () => {
    const { clock, feed } = follow({ listing: lists(listed('a', 'unloaded')) });
    await clock.advance(20_000);
    feed.listing = lists(listed('a', 'downloading'));
    await clock.advance(30_000);
    feed.listing = lists(listed('a', 'unloaded'));
    await clock.advance(30_000);
    expect(feed.attempts).toEqual([0]);
  });

  it('is one whose router does not answer a listing: the connection may be half open', async () => {
    const { clock, feed, entry } = follow();
    await clock.advance(20_000);
    feed.listing = failed(TIMEOUT);
    feed.stream = 'silent';
    await clock.advance(15_000);
    expect(entry.state).toMatchObject({ up: false, stream: 'connecting', fault: TIMEOUT });
    expect(feed.attempts.length).toBeGreaterThan(1);
  });
});

describe('a router that is down', () => {
  it('is listed after doubling waits, and at the usual pace when it is back', async () => {
    const { clock, feed, entry } = follow({ stream: UNREACHABLE, listing: failed(UNREACHABLE) });
    await clock.advance(24_000);
    expect(feed.listings).toEqual([0, 1000, 3000, 7000, 15_000, 23_000]);
    feed.listing = lists();
    feed.stream = 'opens';
    await clock.advance(8000);
    expect(entry.state).toMatchObject({ up: true, stream: 'connected' });
    feed.listings.length = 0;
    await clock.advance(1.1 * MINUTE);
    expect(feed.listings).toHaveLength(2);
  });

  it('has its stream tried again as soon as a listing succeeds', async () => {
    const { clock, feed } = follow({ stream: UNREACHABLE, listing: failed(UNREACHABLE) });
    await clock.advance(24_000);
    feed.attempts.length = 0;
    feed.listing = lists();
    await clock.advance(7000);
    expect(feed.attempts.slice(0, 2)).toEqual([31_000, 31_000]);
  });

  it('that was restarted has unloaded its models', async () => {
    const { clock, feed, happened } = follow({
      listing: lists(listed('a', 'loaded', { instance: 7 })),
    });
    await clock.advance(20_000);
    feed.stream = UNREACHABLE;
    feed.listing = failed(UNREACHABLE);
    feed.endStream();
    await clock.advance(5000);
    feed.stream = 'opens';
    feed.listing = lists(listed('a', 'unloaded', { instance: 0 }));
    await clock.advance(10_000);
    expect(happened).toEqual(['a appeared', 'a external while loaded']);
  });

  it('is reported with duration and fault', async () => {
    const { clock, notices } = follow({ stream: UNREACHABLE, listing: failed(TIMEOUT), listingMs: 500 });
    await clock.advance(600);
    expect(notices.find(({ kind }) => kind === 'polled')).toMatchObject({ seconds: 0.5, fault: 'timeout' });
  });

  it('does not delay others', async () => {
    const clock = createSteppedClock();
    const store = createStore(clock, { reloadWindowMs: 0 });
    const hanging = Object.assign(createScriptedFeed(clock), { stream: 'silent', listingMs: 10 * MINUTE });
    const healthy = Object.assign(createScriptedFeed(clock), { stream: 'unsupported' });
    for (const [name, feed] of Object.entries({ hanging, healthy })) {
      started.push(
        startTracker({
          feed,
          store,
          router: store.add(name, `http://${name}`),
          pace: PACE,
          notice: () => {},
        }),
      );
    }
    await clock.advance(10_000);
    expect(hanging.listings).toHaveLength(1);
    expect(healthy.listings).toHaveLength(6);
  });
});

describe('a refresh', () => {
  it('is a listing that starts after it, even while another one is under way', async () => {
    const { clock, feed, entry, tracker } = follow({ stream: 'unsupported', listingMs: 1000 });
    await clock.advance(500);
    const refreshes = Promise.all([tracker.refresh(), tracker.refresh()]);
    await clock.advance(600);
    feed.listing = lists(listed('a', 'loaded'));
    await clock.advance(1000);
    await refreshes;
    expect(feed.listings.slice(0, 2)).toEqual([0, 1000]);
    expect(entry.state.models.has('a')).toBe(true);
  });

  it('that confirms what was observed resolves with the answer; a listing that changes it waits for older events', async () => {
    const { clock, feed, entry, tracker } = follow({
      listing: lists(listed('a', 'loaded')),
      routerProps: ok({ build: 'b1' }),
    });
    await clock.advance(1000);
    feed.props = () => new Promise(() => {}); // Known properties are not waited for.
    const startedAt = clock.now();
    await tracker.refresh();
    expect(clock.now() - startedAt).toBe(0);
    feed.listing = lists(listed('a', 'unloaded'));
    const refresh = tracker.refresh();
    await clock.advance(49);
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('loaded');
    await clock.advance(1);
    await refresh;
    expect(entry.state.models.get('a')?.lifecycle.status).toBe('unloaded');
  });

  it('does not ask for the properties of the router', async () => {
    const { clock, feed, tracker } = follow({ routerProps: ok({ build: 'b1' }) });
    await clock.advance(1000);
    feed.props = () => {
      throw new Error('asked');
    };
    await tracker.refresh();
    expect(feed.listings).toHaveLength(2);
  });

  it('of a router that is down resolves too', async () => {
    const { clock, tracker, entry } = follow({ stream: UNREACHABLE, listing: failed(UNREACHABLE) });
    await clock.advance(100);
    await tracker.refresh();
    expect(entry.state.up).toBe(false);
  });

  it('that finds the router down starts the back-off at once', async () => {
    const { clock, feed, entry, tracker } = follow();
    await clock.advance(10_000);
    feed.listing = failed(TIMEOUT);
    feed.stream = 'silent';
    await tracker.refresh();
    await clock.advance(500);
    expect(entry.state).toMatchObject({ up: false, stream: 'connecting' });
    feed.listing = lists();
    feed.stream = 'opens';
    await clock.advance(2000);
    expect(entry.state).toMatchObject({ up: true, stream: 'connected' });
  });
});

describe('props', () => {
  it('are read with each listing, and kept when that fails', async () => {
    const { clock, feed, entry } = follow({ routerProps: ok({ modelsMax: 2, build: 'b1' }) });
    await clock.advance(100);
    expect(entry.state.props).toEqual({ modelsMax: 2, build: 'b1' });
    feed.routerProps = failed(TIMEOUT);
    await clock.advance(MINUTE);
    expect(entry.state).toMatchObject({ up: true, props: { modelsMax: 2, build: 'b1' } });
  });

  it('and the stream tell the class of the build, which is unknown while they cannot be read', async () => {
    const { clock, feed, entry } = follow({ routerProps: ok({ build: 'b11669-Debian' }) });
    await clock.advance(100);
    expect(entry.state.buildClass).toBe('reads_exempt');
    feed.routerProps = failed(TIMEOUT);
    await clock.advance(MINUTE);
    expect(entry.state.buildClass).toBe('unknown');
    feed.routerProps = ok({ build: 'b11669-Debian' });
    await clock.advance(MINUTE);
    expect(entry.state.buildClass).toBe('reads_exempt');
    feed.listing = failed(UNREACHABLE);
    feed.stream = 'unsupported';
    await clock.advance(MINUTE);
    expect(entry.state.buildClass).toBe('unknown');
    feed.listing = lists();
    feed.routerProps = ok({ build: 'b9093-1f8a3b2c' });
    await clock.advance(MINUTE);
    expect(entry.state.buildClass).toBe('no_event_stream');
  });
});

describe('the end', () => {
  const moments: [string, Partial<ScriptedFeed>, number][] = [
    ['before the first listing', { stream: 'silent' }, 500],
    ['while a listing is under way', { listingMs: 5000 }, 500],
    ['while a listing waits for late events', {}, 20],
    ['between listings', {}, 20_000],
    ['between polls', { stream: 'unsupported' }, 3000],
    ['between attempts', { stream: UNREACHABLE, listing: failed(UNREACHABLE) }, 20_000],
  ];
  it.each(moments)('%s leaves no timer, no request and no change', async (_, script, ms) => {
    const { clock, entry, feed, notices, tracker } = follow(script);
    await clock.advance(ms);
    const refresh = tracker.refresh();
    await clock.advance(0);
    const before = notices.length;
    const state = structuredClone(entry.state);
    const stopping = tracker.stop();
    await clock.advance(0);
    await Promise.all([stopping, tracker.ready, refresh]);
    expect(clock.pending()).toBe(0);
    expect(feed.underway()).toEqual({ streams: 0, listings: 0 });
    const asked = feed.listings.length + feed.attempts.length;
    await clock.advance(10 * MINUTE);
    expect(feed.listings.length + feed.attempts.length).toBe(asked);
    expect([notices.length, entry.state]).toEqual([before, state]);
  });

  it('resolves ready before the first listing', async () => {
    const { clock, tracker } = follow({ stream: 'silent' });
    await clock.advance(500);
    await tracker.stop();
    await expect(tracker.ready).resolves.toBeUndefined();
  });

  it('lets another tracker start from the same state, not yet connected', async () => {
    const { clock, store, entry, tracker } = follow();
    await clock.advance(1000);
    await tracker.stop();
    const silent = Object.assign(createScriptedFeed(clock), { stream: 'silent' });
    started.push(startTracker({ feed: silent, store, router: entry.state, pace: PACE, notice: () => {} }));
    await clock.advance(0);
    expect(entry.state.stream).toBe('connecting');
  });
});
