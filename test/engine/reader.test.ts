import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineMetrics } from '../../src/backends/backend.ts';
import {
  type EngineReader,
  type EngineReaderParts,
  type ReadingChange,
  startEngineReader,
} from '../../src/engine/reader.ts';
import { failed, ok } from '../../src/lib/result.ts';
import type { RouterAnswer, Status } from '../../src/models/feed.ts';
import { createStore, type Store } from '../../src/models/store.ts';
import { aListing, listed } from '../support/a-model.ts';
import { addRouter, type DrivenRouter } from '../support/driven-router.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';

const INTERVAL_MS = 15_000;
const KEEP_MS = 60_000;

let clock: SteppedClock;
let store: Store;
let entry: DrivenRouter;
let reader: EngineReader;
let asked: string[];
let underWay: Map<string, number>;
let changes: ReadingChange[];
let answer: (model: string) => RouterAnswer<EngineMetrics> | Promise<RouterAnswer<EngineMetrics>>;

beforeEach(() => {
  clock = createSteppedClock();
  store = createStore(clock, { reloadWindowMs: 600_000 });
  entry = addRouter(store, 'gpu', 'http://gpu');
  entry.state.buildClass = 'reads_exempt';
  entry.props({ modelsMax: 0 });
  asked = [];
  underWay = new Map();
  changes = [];
  answer = () => metrics({ processing: 0, work: 1 });
});
afterEach(() => reader.stop());

/** Checks each request: only loaded models, and never two requests to one model. */
const ask: EngineReaderParts['metrics'] = async (model, signal) => {
  expect(entry.state.models.get(model)?.lifecycle.status).toBe('loaded');
  expect(underWay.get(model) ?? 0).toBe(0);
  asked.push(model);
  underWay.set(model, 1);
  const aborted = new Promise<RouterAnswer<EngineMetrics>>((resolve) => {
    signal.addEventListener('abort', () => resolve(failed({ kind: 'unreachable', message: 'aborted' })));
  });
  const given = await Promise.race([answer(model), aborted]);
  underWay.set(model, 0);
  return given;
};

function start(models: Record<string, Status>) {
  list(models);
  startReader();
}

function startReader() {
  reader = startEngineReader({
    store,
    router: entry.state,
    metrics: ask,
    pace: { intervalMs: INTERVAL_MS, keepMs: KEEP_MS },
    report: (change) => changes.push(change),
  });
}

function list(models: Record<string, Status>) {
  entry.listed({
    models: Object.entries(models).map(([id, status]) => ({
      id,
      aliases: [],
      status,
      failed: false,
      facts: {},
    })),
    malformed: [],
  });
}

function event(model: string, status: Status, begins = false) {
  entry.event({ name: 'status_change', kind: 'status', model, status, begins });
}

function metrics({ processing, work }: { processing: number; work: number }): RouterAnswer<EngineMetrics> {
  const text = `llamacpp:requests_processing ${processing}\nllamacpp:n_decode_total ${work}\n`;
  return ok({ kind: 'text', text });
}

const activity = (model: string) => entry.state.models.get(model)?.activity;
const failure = failed({ kind: 'timeout', message: 'no answer' } as const);
const never = new Promise<never>(() => {});

describe('reading', () => {
  it('covers every loaded model and no other', async () => {
    start({
      a: 'loaded',
      b: 'unloaded',
      c: 'sleeping',
      d: 'loading',
      e: 'downloading',
      f: 'other',
      g: 'loaded',
    });
    await clock.advance(0);
    expect(asked).toEqual(['a', 'g']);
  });

  it('spreads later reads of several models over the interval', async () => {
    const times: number[] = [];
    const startedAt = clock.now();
    answer = () => {
      times.push((clock.now() - startedAt) / 1000);
      return metrics({ processing: 0, work: 1 });
    };
    start({ a: 'loaded', b: 'loaded', c: 'loaded' });
    await clock.advance(INTERVAL_MS * 2);
    expect(times).toEqual([0, 0, 0, 5, 10, 15, 20, 25, 30]);
    expect(asked.join('')).toBe('abcabcabc');
  });

  it('repeats after the interval', async () => {
    start({ a: 'loaded' });
    await clock.advance(INTERVAL_MS * 3 + 1000);
    expect(asked).toEqual(['a', 'a', 'a', 'a']);
  });

  it('waits for three seconds after a load', async () => {
    start({ a: 'unloaded' });
    await clock.advance(1000);
    event('a', 'loading', true);
    event('a', 'loaded');
    await clock.advance(2999);
    expect(asked).toEqual([]);
    await clock.advance(1);
    expect(asked).toEqual(['a']);
  });

  it('stops while the router is down', async () => {
    start({ a: 'loaded' });
    await clock.advance(0);
    entry.failed({ kind: 'unreachable', message: 'gone' });
    await clock.advance(INTERVAL_MS * 4);
    expect(asked).toEqual(['a']);
  });

  it('skips a model that fell asleep', async () => {
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(0);
    event('a', 'sleeping');
    await clock.advance(INTERVAL_MS + 100);
    expect(asked).toEqual(['a', 'b', 'b']);
  });
});

describe('a model that hangs', () => {
  beforeEach(() => {
    answer = (model) => (model === 'a' ? never : metrics({ processing: 0, work: 1 }));
  });

  it('has no reading before its first attempt has ended', async () => {
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(300);
    expect(reader.readings().map(({ model }) => model)).toEqual(['b']);
  });

  it('delays the others by a quarter of a second', async () => {
    start({ a: 'loaded', b: 'loaded', c: 'loaded' });
    await clock.advance(300);
    expect(asked).toEqual(['a', 'b', 'c']);
  });

  it('gets no second request while it hangs, and the others are read', async () => {
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(INTERVAL_MS * 2 + 1000);
    expect(asked.filter((model) => model === 'a')).toHaveLength(1);
    expect(asked.filter((model) => model === 'b')).toHaveLength(3);
  });
});

describe('a model that fails', () => {
  it('is reported once, keeps its last good reading for a while, and has an unknown activity', async () => {
    start({ a: 'loaded' });
    await clock.advance(0);
    expect(activity('a')).toMatchObject({ busy: false, work: 1 });
    answer = () => failure;
    await clock.advance(INTERVAL_MS * 2);
    expect(changes).toEqual([{ router: 'gpu', kind: 'failed', model: 'a', why: 'no answer' }]);
    expect(reader.readings()).toEqual([{ model: 'a', succeeded: false, good: expect.anything() }]);
    expect(activity('a')).toBeUndefined();
    await clock.advance(KEEP_MS + INTERVAL_MS);
    expect(reader.readings()).toEqual([{ model: 'a', succeeded: false }]);
  });

  it('is reported again when it has recovered', async () => {
    answer = () => failure;
    start({ a: 'loaded' });
    await clock.advance(0);
    answer = () => metrics({ processing: 0, work: 1 });
    await clock.advance(INTERVAL_MS);
    expect(changes.map(({ kind }) => kind)).toEqual(['failed', 'recovered']);
  });

  it('may answer something else than metrics', async () => {
    answer = () => ok({ kind: 'text', text: '<html>' });
    start({ a: 'loaded' });
    await clock.advance(0);
    expect(changes).toEqual([
      {
        router: 'gpu',
        kind: 'failed',
        model: 'a',
        why: 'not in Prometheus text format: line 1: not a sample: <html>',
      },
    ]);
  });
});

describe('a model that leaves memory during a request', () => {
  it.each<Status>(['unloaded', 'sleeping'])('and is %s then is no failure', async (status) => {
    let give = (_: RouterAnswer<EngineMetrics>) => {};
    answer = () => new Promise((resolve) => (give = resolve));
    start({ a: 'loaded' });
    await clock.advance(0);
    event('a', status);
    give(failure);
    await clock.advance(10);
    expect(changes).toEqual([]);
  });

  it('has no reading any more', async () => {
    start({ a: 'loaded' });
    await clock.advance(0);
    expect(reader.readings()).toHaveLength(1);
    event('a', 'unloaded');
    expect(reader.readings()).toEqual([]);
    expect(activity('a')).toBeUndefined();
  });

  it('keeps its last reading while it sleeps, for a limited time, and is idle', async () => {
    answer = () => metrics({ processing: 1, work: 1 });
    start({ a: 'loaded' });
    await clock.advance(0);
    expect(activity('a')?.busy).toBe(true);
    event('a', 'sleeping');
    expect(activity('a')?.busy).toBe(false);
    expect(reader.readings()[0]?.good).toBeDefined();
    await clock.advance(KEEP_MS + INTERVAL_MS);
    expect(reader.readings()[0]?.good).toBeUndefined();
  });
});

describe('models with an idle timer, on a build whose timers a read restarts', () => {
  beforeEach(() => {
    entry.state.buildClass = 'reads_restart_timers';
    entry.props({ modelsMax: 0, build: 'b10434-7e4c0a9' });
  });
  const models = [
    listed('timer', 'loaded', { sleepIdleSeconds: 20 }),
    listed('sleeper', 'sleeping', { sleepIdleSeconds: 20 }),
    listed('none', 'loaded', { sleepIdleSeconds: 0 }),
    listed('unloaded', 'unloaded', { sleepIdleSeconds: 20 }),
  ];
  const reported = (areRead: boolean) => [
    { router: 'gpu', kind: 'idle_timers', models: ['timer', 'sleeper'], build: 'b10434-7e4c0a9', areRead },
  ];

  it('are not read, which is reported once', async () => {
    entry.listed(aListing(...models));
    startReader();
    await clock.advance(INTERVAL_MS * 3);
    expect(new Set(asked)).toEqual(new Set(['none']));
    expect(changes).toEqual(reported(false));
    expect(activity('timer')).toBeUndefined();
  });

  it('are read with engine.read: on while they are awake, which is reported once', async () => {
    entry.state.readMode = 'on';
    entry.listed(aListing(...models));
    startReader();
    await clock.advance(INTERVAL_MS * 3);
    expect(new Set(asked)).toEqual(new Set(['timer', 'none']));
    expect(changes).toEqual(reported(true));
  });
});

describe('a read under way', () => {
  const cases: [string, () => void][] = [
    ['falls asleep', () => event('a', 'sleeping')],
    ['is unloaded', () => event('a', 'unloaded')],
    ['starts again', () => event('a', 'loading', true)],
  ];
  it.each(cases)('is cancelled when its model %s, which is no failure', async (_, announce) => {
    answer = () => never;
    start({ a: 'loaded' });
    await clock.advance(0);
    expect(underWay.get('a')).toBe(1);
    announce();
    await clock.advance(0);
    expect(underWay.get('a')).toBe(0);
    expect(changes).toEqual([]);
    expect(activity('a')).toBeUndefined();
  });

  it('goes on when another model changes', async () => {
    answer = () => never;
    start({ a: 'loaded', b: 'unloaded' });
    await clock.advance(0);
    event('b', 'loading', true);
    await clock.advance(0);
    expect(underWay.get('a')).toBe(1);
  });
});

describe('a router without --metrics', () => {
  beforeEach(() => {
    answer = () => ok({ kind: 'disabled' });
  });

  it('is asked once, and reported once', async () => {
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(INTERVAL_MS * 5);
    expect(asked).toEqual(['a']);
    expect(changes).toEqual([{ router: 'gpu', kind: 'disabled' }]);
    expect(entry.state.engineMetrics).toBe('disabled');
  });

  it('is asked again after it was down', async () => {
    start({ a: 'loaded' });
    await clock.advance(INTERVAL_MS);
    answer = () => metrics({ processing: 0, work: 1 });
    entry.failed({ kind: 'unreachable', message: 'restarting' });
    list({ a: 'loaded' });
    await clock.advance(100);
    expect(asked).toEqual(['a']);
    entry.state.buildClass = 'reads_exempt';
    await clock.advance(1000);
    expect(asked).toEqual(['a', 'a']);
    expect(entry.state.engineMetrics).toBe('enabled');
  });
});

describe('a process without metrics, next to others that have some', () => {
  it('is asked once, and has no reading', async () => {
    answer = (model) =>
      model === 'b' ? ok({ kind: 'none', why: 'it answers 404' }) : metrics({ processing: 0, work: 1 });
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(10 * INTERVAL_MS);
    expect(asked.filter((model) => model === 'b')).toHaveLength(1);
    expect(reader.readings()).toMatchObject([{ model: 'a', succeeded: true }]);
    expect(changes).toEqual([{ kind: 'none', router: 'gpu', model: 'b', why: 'it answers 404' }]);
  });

  it('is reported once, although each of its processes is asked', async () => {
    answer = () => ok({ kind: 'none', why: 'it answers 404' });
    start({ a: 'loaded' });
    await clock.advance(INTERVAL_MS);
    list({ a: 'unloaded' });
    list({ a: 'loaded' });
    await clock.advance(INTERVAL_MS);
    expect(asked).toEqual(['a', 'a']);
    expect(changes).toEqual([{ kind: 'none', router: 'gpu', model: 'a', why: 'it answers 404' }]);
  });

  it('is asked again when it was loaded again', async () => {
    answer = () => ok({ kind: 'none', why: 'it answers 404' });
    start({ a: 'loaded' });
    await clock.advance(INTERVAL_MS);
    list({ a: 'unloaded' });
    answer = () => metrics({ processing: 0, work: 1 });
    list({ a: 'loaded' });
    await clock.advance(INTERVAL_MS);
    expect(reader.readings()).toMatchObject([{ model: 'a', succeeded: true }]);
  });
});

it('a model is busy, then was active at the last reading in which its counters had moved', async () => {
  let now = { processing: 1, work: 10 };
  answer = () => metrics(now);
  start({ a: 'loaded' });
  await clock.advance(0);
  const startedAt = clock.now();
  expect(activity('a')).toEqual({ busy: true, watchedAt: startedAt, work: 10, lastAt: startedAt });
  now = { processing: 0, work: 50 };
  await clock.advance(INTERVAL_MS);
  expect(activity('a')).toEqual({
    busy: false,
    watchedAt: startedAt,
    work: 50,
    lastAt: startedAt + INTERVAL_MS,
  });
  await clock.advance(INTERVAL_MS * 3);
  expect(activity('a')?.lastAt).toBe(startedAt + INTERVAL_MS);
});

describe('a model that is about to be unloaded', () => {
  it('gets no new request', async () => {
    start({ a: 'loaded', b: 'loaded' });
    await clock.advance(0);
    entry.markUnloadPending('a');
    await clock.advance(INTERVAL_MS + 100);
    expect(asked).toEqual(['a', 'b', 'b']);
  });

  it('is released when its request is answered', async () => {
    let give = (_: RouterAnswer<EngineMetrics>) => {};
    answer = () => new Promise((resolve) => (give = resolve));
    start({ a: 'loaded' });
    await clock.advance(0);
    let released = false;
    void reader.release('a').then(() => (released = true));
    await clock.advance(100);
    expect(released).toBe(false);
    give(metrics({ processing: 0, work: 1 }));
    await clock.advance(0);
    expect(released).toBe(true);
  });

  it('is released after a second at the latest', async () => {
    answer = () => never;
    start({ a: 'loaded' });
    await clock.advance(0);
    let released = false;
    void reader.release('a').then(() => (released = true));
    await clock.advance(1000);
    expect(released).toBe(true);
  });
});

it('setting the clock back an hour does not stop reading, and the age goes on', async () => {
  start({ a: 'loaded' });
  await clock.advance(0);
  const ages = () => reader.readings().map(({ good }) => clock.now() - (good?.at ?? 0));
  clock.set(clock.wall() - 3_600_000);
  await clock.advance(INTERVAL_MS - 1000);
  expect([asked, ages()]).toEqual([['a'], [INTERVAL_MS - 1000]]);
  await clock.advance(1000);
  expect([asked, ages()]).toEqual([['a', 'a'], [0]]);
  answer = () => failure;
  await clock.advance(INTERVAL_MS * 2);
  expect([asked.length, ages()]).toEqual([4, [INTERVAL_MS * 2]]);
});

it('leaves no timer behind', async () => {
  answer = () => never;
  start({ a: 'loaded', b: 'loaded' });
  await clock.advance(1000);
  await reader.stop();
  expect(clock.pending()).toBe(0);
});
