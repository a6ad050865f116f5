import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, it } from '@jest/globals';
import type { Samples } from '../../src/metrics/exposition.ts';
import { startProcessMetrics } from '../../src/metrics/process.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let metrics: ReturnType<typeof startProcessMetrics> | undefined;
afterEach(() => metrics?.stop());

/** The samples of a reading that has the collections of garbage, which the process is made to do. */
async function measured(): Promise<readonly Samples[]> {
  const clock = createSteppedClock();
  const started = startProcessMetrics(clock);
  metrics = started;
  return until('a collection of garbage', async () => {
    Array.from({ length: 100_000 }, (_, index) => ({ index })); // Garbage.
    await clock.advance(15_000);
    await turn();
    const samples = started.samples();
    return samples.some(({ family }) => family.name === 'nodejs_gc_duration_seconds') && samples;
  });
}

it('the metrics of the process have their rows, those of a histogram with what follows the name', async () => {
  const samples = await measured();
  const rows = (name: string) => samples.find(({ family }) => family.name === name)?.rows ?? [];
  expect(rows('process_cpu_seconds_total')).toEqual([
    { labels: {}, value: expect.any(Number), suffix: undefined },
  ]);
  expect(rows('nodejs_gc_duration_seconds')).toContainEqual({
    labels: { le: '0.001', kind: expect.any(String) },
    value: expect.any(Number),
    suffix: '_bucket',
  });
  const suffixes = new Set(rows('nodejs_gc_duration_seconds').map(({ suffix }) => suffix));
  expect([...suffixes]).toEqual(['_bucket', '_sum', '_count']);
});

it('metrics without rows, misnamed ones and those of the watched event loop are absent', async () => {
  const samples = await measured();
  expect(samples.filter(({ rows }) => rows.length === 0)).toEqual([]);
  const names = samples.map(({ family }) => family.name);
  expect(names.filter((name) => /^nodejs_(active_.*_total|eventloop)/.test(name))).toEqual([]);
});
