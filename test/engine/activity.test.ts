import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { activityOf, probeActivity } from '../../src/engine/activity.ts';
import { failed } from '../../src/lib/result.ts';
import { parseExposition } from '../../src/metrics/parse.ts';
import type { FaultKind } from '../../src/models/feed.ts';
import type { Activity, RouterState } from '../../src/models/router-state.ts';
import type { Store } from '../../src/models/store.ts';

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

it.each<[FaultKind, boolean]>([
  ['unauthorized', true],
  ['timeout', false],
  ['bad_answer', false],
])('a probe that fails with %s is lasting: %s', async (kind, lasting) => {
  const router = { name: 'gpu', engineMetrics: undefined } as unknown as RouterState;
  const client = {
    metrics: async () => failed({ kind, message: 'no' }),
    slots: async () => failed({ kind, message: 'no' }),
  };
  const parts = { store: {} as Store, client, signal: new AbortController().signal };
  const answer = { kind: 'unknown', why: 'busy state unknown: no', lasting };
  expect(await probeActivity('a', { ...parts, router })).toEqual(answer);
  router.engineMetrics = 'disabled';
  expect(await probeActivity('a', { ...parts, router })).toEqual(answer);
});

it('is unknown without the gauges of requests', () => {
  expect(activityOf([], 1000, { busy: true, watchedAt: 4, work: 1 })).toBeUndefined();
});
