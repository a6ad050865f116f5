import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import type { EngineMetrics, EngineSlots } from '../../src/backends/backend.ts';
import { activityOf, probeActivity } from '../../src/engine/activity.ts';
import { failed, ok } from '../../src/lib/result.ts';
import { parseExposition } from '../../src/metrics/parse.ts';
import type { RouterAnswer } from '../../src/models/feed.ts';
import type { Activity } from '../../src/models/router-state.ts';
import { createStore } from '../../src/models/store.ts';
import { aListing, listed } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

it.each<[string, { processing?: number; deferred?: number; work?: number }, Activity | undefined, Activity]>([
  [
    'idle in the first reading: unknown since when',
    { work: 40 },
    undefined,
    { busy: false, watchedAt: 1000, work: 40 },
  ],
  [
    'busy in the first reading: active now',
    { processing: 1, work: 40 },
    undefined,
    { busy: true, watchedAt: 1000, work: 40, lastAt: 1000 },
  ],
  [
    'requests waiting are busy too',
    { deferred: 2 },
    undefined,
    { busy: true, watchedAt: 1000, work: 0, lastAt: 1000 },
  ],
  [
    'counters that moved',
    { work: 41 },
    { busy: false, watchedAt: 4, work: 40, lastAt: 5 },
    { busy: false, watchedAt: 4, work: 41, lastAt: 1000 },
  ],
  [
    'counters that stand still',
    { work: 40 },
    { busy: true, watchedAt: 4, work: 40, lastAt: 5 },
    { busy: false, watchedAt: 4, work: 40, lastAt: 5 },
  ],
  [
    'a new process that has worked',
    { work: 3 },
    { busy: false, watchedAt: 4, work: 40, lastAt: 5 },
    { busy: false, watchedAt: 4, work: 3, lastAt: 1000 },
  ],
  [
    'a new process that has not',
    { work: 0 },
    { busy: false, watchedAt: 4, work: 40, lastAt: 5 },
    { busy: false, watchedAt: 4, work: 0, lastAt: 5 },
  ],
])('%s', (_, { processing = 0, deferred = 0, work = 0 }, before, expected) => {
  const families = parseExposition(
    `llamacpp:requests_processing ${processing}\nllamacpp:requests_deferred ${deferred}\nllamacpp:n_decode_total ${work}\n`,
  );
  expect(activityOf(families.ok ? families.value : [], 1000, before)).toEqual(expected);
});

it('reads recorded metrics of a busy model', () => {
  const text = readFileSync(new URL('../fixtures/router/metrics-loaded-busy.prom', import.meta.url), 'utf8');
  const families = parseExposition(text);
  expect(activityOf(families.ok ? families.value : [], 7, undefined)).toEqual({
    busy: true,
    watchedAt: 7,
    work: 120,
    lastAt: 7,
  });
});

it('is unknown without the gauges of requests', () => {
  expect(activityOf([], 1000, { busy: true, watchedAt: 4, work: 1 })).toBeUndefined();
});

const DISABLED = ok({ kind: 'disabled' } as const);
const UNKNOWN_SHAPE = ok({ kind: 'text', text: 'other:gauge 1\n' } as const);
const REFUSED = failed({ kind: 'unauthorized', message: 'the key is refused' } as const);
const SILENT = failed({ kind: 'timeout', message: 'no answer' } as const);
const slots = (processing: number) => ok({ kind: 'slots', processing } as const);
const NO_WAY = expect.stringMatching(/neither .* tell; start llama-server with --metrics.*--when-busy force/);

it.each<[string, RouterAnswer<EngineMetrics>, RouterAnswer<EngineSlots>, object]>([
  ['its metrics', ok({ kind: 'text', text: 'llamacpp:requests_processing 1\n' }), SILENT, { kind: 'busy' }],
  ['its slots where it has no metrics', DISABLED, slots(0), { kind: 'idle' }],
  ['its slots where its metrics do not say it', UNKNOWN_SHAPE, slots(1), { kind: 'busy' }],
  ['nothing at all, which is lasting', DISABLED, DISABLED, { kind: 'unknown', why: NO_WAY, lasting: true }],
  ['metrics of another server', UNKNOWN_SHAPE, DISABLED, { kind: 'unknown', why: NO_WAY, lasting: true }],
  [
    'no answer to this key, which is lasting',
    REFUSED,
    SILENT,
    {
      kind: 'unknown',
      why: 'busy state unknown: the key is refused; or unload with --when-busy force',
      lasting: true,
    },
  ],
  ['no answer now', SILENT, SILENT, { kind: 'unknown', lasting: false }],
])('a model is probed by %s', async (_, metrics, slots, expected) => {
  const store = createStore(createSteppedClock(), { reloadWindowMs: 0 });
  const { state: router, listed: list } = addRouter(store, 'router');
  list(aListing(listed('a', 'loaded')));
  const client = { metrics: async () => metrics, slots: async () => slots, inFlight: () => undefined };
  const { signal } = new AbortController();
  expect(await probeActivity('a', { store, router, client, signal })).toMatchObject(expected);
});

it('of a model that is not read, a probe stores no activity: nothing would update it', async () => {
  const store = createStore(createSteppedClock(), { reloadWindowMs: 0 });
  const { state, listed: list } = addRouter(store, 'r');
  list(aListing(listed('a', 'loaded', { sleepIdleSeconds: 20 })));
  const busy = ok({ kind: 'text', text: 'llamacpp:requests_processing 1\n' } as const);
  const client = {
    metrics: async () => busy,
    slots: async () => failed({ kind: 'timeout', message: '' } as const),
    inFlight: () => undefined,
  };
  const { signal } = new AbortController();
  const probe = () => probeActivity('a', { store, router: state, client, signal });
  expect(await probe()).toEqual({ kind: 'busy' });
  expect(state.models.get('a')?.activity).toBeUndefined();
  state.buildClass = 'reads_exempt';
  expect(await probe()).toEqual({ kind: 'busy' });
  expect(state.models.get('a')?.activity).toMatchObject({ busy: true });
});
