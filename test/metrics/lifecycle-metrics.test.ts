import { beforeEach, describe, expect, it } from '@jest/globals';
import { render } from '../../src/metrics/exposition.ts';
import { createLifecycleMetrics, type LifecycleMetrics } from '../../src/metrics/lifecycle-metrics.ts';
import type { CounterValue } from '../../src/metrics/registry.ts';
import { FAULT_KINDS } from '../../src/models/feed.ts';
import { type Change, UNLOAD_REASONS } from '../../src/models/router-state.ts';
import type { Cause } from '../../src/models/usage.ts';
import { type Exposition, parseExposition } from '../support/exposition.ts';
import { expectGolden } from '../support/golden.ts';

let lifecycleMetrics: LifecycleMetrics;
/** The cause of the next reload. */
let cause: Cause;

beforeEach(() => {
  cause = 'unknown';
  lifecycleMetrics = newMetrics();
});

const newMetrics = () => createLifecycleMetrics();

const at = 0;
const tell = (router: string, model: string, change: Change) =>
  lifecycleMetrics.transition({ router, at, kind: 'model', model, change, cause });

function addRouter(router = 'r'): void {
  lifecycleMetrics.transition({ router, at, kind: 'router', change: 'added' });
}

function removeRouter(router = 'r'): void {
  lifecycleMetrics.transition({ router, at, kind: 'router', change: 'removed' });
}

function appear(model: string, router = 'r'): void {
  tell(router, model, { kind: 'appeared' });
}

function vanish(model: string, router = 'r'): void {
  tell(router, model, { kind: 'vanished' });
}

const textOf = () => render(lifecycleMetrics.samples(), 'text').join('');
const scraped = (): Exposition => parseExposition(textOf());
const seriesValue = (name: string, labels: Record<string, string>) =>
  scraped().value(`llama_router_${name}`, labels);

describe('counters', () => {
  it('of a new router and a new model start at 0', () => {
    addRouter();
    appear('m');
    expectGolden('telemetry-new.prom', textOf());
    const read = scraped();
    for (const reason of UNLOAD_REASONS) {
      expect(read.value('llama_router_model_unloads_total', { router: 'r', model: 'm', reason })).toBe(0);
    }
    for (const fault of FAULT_KINDS)
      expect(read.value('llama_router_poll_errors_total', { router: 'r', fault })).toBe(0);
  });

  it('count each change once', () => {
    addRouter();
    appear('m');
    tell('r', 'm', { kind: 'status', from: 'unloaded', to: 'loading' });
    tell('r', 'm', { kind: 'loaded', durationSeconds: 3 });
    tell('r', 'm', { kind: 'slept' });
    tell('r', 'm', { kind: 'woke' });
    for (const reason of UNLOAD_REASONS) tell('r', 'm', { kind: 'unloaded', reason, from: 'loaded' });
    tell('r', 'm', { kind: 'unloaded', reason: 'evicted', from: 'loaded', forced: true });
    tell('r', 'm', { kind: 'load_failed' });
    tell('r', 'm', { kind: 'loaded', reload: { reason: 'evicted', afterSeconds: 20 } });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: 'status_change' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: 'other' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'reconnecting' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'polled', seconds: 0.002 });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'polled', seconds: 5, fault: 'timeout' });
    expectGolden('telemetry-busy.prom', textOf());
    parseExposition(textOf());
  });

  it('of reloads have the reported cause; all causes start at 0 with the first report', () => {
    addRouter();
    appear('m');
    const reloads = (cause: string) =>
      seriesValue('model_reloads_after_unload_total', {
        ...{ router: 'r', model: 'm', unload_reason: 'requested' },
        cause,
      });
    expect([reloads('unknown'), reloads('task')]).toEqual([0, undefined]);
    lifecycleMetrics.reported('task', 'title_generation');
    expect([reloads('task'), reloads('chat')]).toEqual([0, 0]);
    cause = 'task';
    tell('r', 'm', { kind: 'loaded', reload: { reason: 'requested', afterSeconds: 20 } });
    expect([reloads('unknown'), reloads('task')]).toEqual([0, 1]);
    const reports = (task: string) => seriesValue('usage_reports_total', { cause: 'task', task });
    expect([reports('title_generation'), reports('other')]).toEqual([1, 0]);
  });

  it('of events have at most 40 names per router', () => {
    addRouter();
    for (let i = 0; i < 45; i += 1)
      lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: `e${i}` });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: 'e7' });
    const events = (event: string) => seriesValue('events_total', { router: 'r', event });
    expect([events('e7'), events('e39'), events('e40'), events('other')]).toEqual([2, 1, undefined, 5]);
  });

  it('belong to one model of one router', () => {
    for (const router of ['r', 's']) {
      addRouter(router);
      for (const model of ['m', 'n']) appear(model, router);
    }
    tell('r', 'm', { kind: 'loaded' });
    expect(seriesValue('model_loads_total', { router: 'r', model: 'm' })).toBe(1);
    expect(seriesValue('model_loads_total', { router: 'r', model: 'n' })).toBe(0);
    expect(seriesValue('model_loads_total', { router: 's', model: 'm' })).toBe(0);
  });

  it('keep their samples until something is counted', () => {
    addRouter();
    appear('m');
    const before = lifecycleMetrics.samples();
    expect(lifecycleMetrics.samples()).toEqual(before);
    for (const [i, samples] of lifecycleMetrics.samples().entries()) expect(samples).toBe(before[i]);
    tell('r', 'm', { kind: 'slept' });
    const after = lifecycleMetrics.samples();
    expect(after.filter((samples, i) => samples !== before[i]).map(({ family }) => family.name)).toEqual([
      'llama_router_model_sleeps_total',
    ]);
  });
});

describe('a vanished model', () => {
  it('has no series; they continue when it returns', () => {
    addRouter();
    appear('m');
    appear('n');
    tell('r', 'm', { kind: 'loaded', durationSeconds: 3 });
    tell('r', 'm', { kind: 'unloaded', reason: 'external', from: 'loaded' });
    const before = textOf();
    vanish('m');
    expect(textOf()).not.toContain('model="m"');
    expect(textOf()).toContain('model="n"');
    appear('m');
    expect(textOf()).toBe(before);
    tell('r', 'm', { kind: 'loaded' });
    expect(seriesValue('model_loads_total', { router: 'r', model: 'm' })).toBe(2);
  });

  it('starts at 0 again after 3,000 others that were loaded have vanished', () => {
    addRouter();
    for (const model of ['first', 'second']) {
      appear(model);
      tell('r', model, {
        kind: 'loaded',
        durationSeconds: 1,
        reload: { reason: 'crashed', afterSeconds: 1 },
      });
      vanish(model);
    }
    for (let i = 0; i < 2999; i += 1) {
      appear(`other-${i}`);
      tell('r', `other-${i}`, { kind: 'loaded' });
      vanish(`other-${i}`);
      appear(`never-loaded-${i}`);
      vanish(`never-loaded-${i}`);
    }
    for (const model of ['first', 'second']) appear(model);
    expect(seriesValue('model_loads_total', { router: 'r', model: 'first' })).toBe(0);
    expect(seriesValue('model_load_duration_seconds_count', { router: 'r', model: 'first' })).toBeUndefined();
    expect(seriesValue('model_loads_total', { router: 'r', model: 'second' })).toBe(1);
    expect(
      seriesValue('model_reloads_after_unload_total', {
        router: 'r',
        model: 'second',
        unload_reason: 'crashed',
        cause: 'unknown',
      }),
    ).toBe(1);
  });
});

describe('a removed router', () => {
  it('has no series; they continue when it returns', () => {
    addRouter();
    addRouter('s');
    appear('m');
    tell('r', 'm', { kind: 'loaded' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: 'status_change' });
    const before = textOf();
    removeRouter();
    expect(textOf()).not.toContain('router="r"');
    expect(textOf()).toContain('router="s"');
    addRouter();
    appear('m');
    expect(textOf()).toBe(before);
  });

  it('is forgotten, with its models, after 3,000 others have been removed', () => {
    for (let i = 0; i <= 1501; i += 1) {
      addRouter(`r${i}`);
      appear('m', `r${i}`);
      tell(`r${i}`, 'm', { kind: 'loaded', reload: { reason: 'external', afterSeconds: 1 } });
      lifecycleMetrics.notice({ router: `r${i}`, at, kind: 'event', event: `event ${i}` });
      lifecycleMetrics.notice({ router: `r${i}`, at, kind: 'polled', seconds: 1, fault: 'timeout' });
      removeRouter(`r${i}`);
    }
    const left = (router: string) => (saved: CounterValue) =>
      saved.labels.router === router && !saved.labels.model;
    const saved = lifecycleMetrics.snapshot();
    expect(saved.filter(left('r1'))).toEqual([]);
    expect(saved.filter(left('r2')).map(({ name, labels }) => [name, labels.event ?? labels.fault])).toEqual([
      ['llama_router_events_total', 'event 2'],
      ['llama_router_poll_errors_total', 'timeout'],
    ]);
    addRouter('r1');
    expect(textOf()).not.toContain('llama_router_poll_duration_seconds_count{router="r1"}');
  });

  it('continues with all its models, even more than the limit, if all were lost at once', () => {
    addRouter();
    for (let i = 0; i < 4000; i += 1) {
      appear(`m${i}`);
      tell('r', `m${i}`, { kind: 'loaded' });
    }
    removeRouter();
    addRouter();
    for (let i = 0; i < 4000; i += 1) appear(`m${i}`);
    const loads = lifecycleMetrics.snapshot().filter(({ name }) => name.endsWith('model_loads_total'));
    expect(loads).toHaveLength(4000);
  });
});

describe('the snapshot', () => {
  const countSome = () => {
    addRouter();
    for (const model of ['m', 'gone', 'über "q"\n']) appear(model);
    tell('r', 'm', { kind: 'loaded', durationSeconds: 3 });
    tell('r', 'm', { kind: 'unloaded', reason: 'evicted', from: 'loaded' });
    tell('r', 'gone', { kind: 'slept' });
    tell('r', 'über "q"\n', { kind: 'load_failed' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'event', event: 'status_change' });
    lifecycleMetrics.notice({ router: 'r', at, kind: 'polled', seconds: 5, fault: 'timeout' });
    vanish('gone');
  };

  it('has every counter above 0, also of vanished models', () => {
    countSome();
    expect(lifecycleMetrics.snapshot()).toEqual([
      { name: 'llama_router_model_loads_total', labels: { router: 'r', model: 'm' }, value: 1 },
      {
        name: 'llama_router_model_load_failures_total',
        labels: { router: 'r', model: 'über "q"\n' },
        value: 1,
      },
      {
        name: 'llama_router_model_unloads_total',
        labels: { router: 'r', model: 'm', reason: 'evicted' },
        value: 1,
      },
      { name: 'llama_router_model_sleeps_total', labels: { router: 'r', model: 'gone' }, value: 1 },
      { name: 'llama_router_events_total', labels: { router: 'r', event: 'status_change' }, value: 1 },
      { name: 'llama_router_poll_errors_total', labels: { router: 'r', fault: 'timeout' }, value: 1 },
    ]);
  });

  it('is continued by the next process', () => {
    countSome();
    const saved = JSON.parse(JSON.stringify(lifecycleMetrics.snapshot())) as CounterValue[];
    lifecycleMetrics = newMetrics();
    lifecycleMetrics.restore(saved);
    expect(textOf()).not.toContain('router=');
    addRouter();
    for (const model of ['m', 'gone', 'über "q"\n']) appear(model);
    tell('r', 'm', { kind: 'loaded' });
    expect(seriesValue('model_loads_total', { router: 'r', model: 'm' })).toBe(2);
    expect(seriesValue('model_sleeps_total', { router: 'r', model: 'gone' })).toBe(1);
    expect(seriesValue('model_load_failures_total', { router: 'r', model: 'über "q"\n' })).toBe(1);
    expect(seriesValue('poll_errors_total', { router: 'r', fault: 'timeout' })).toBe(1);
  });

  it.each<[string, CounterValue]>([
    ['an unknown name', { name: 'llama_router_old_total', labels: { router: 'r' }, value: 1 }],
    ['a missing label', { name: 'llama_router_model_loads_total', labels: { router: 'r' }, value: 1 }],
    [
      'an additional label',
      { name: 'llama_router_model_loads_total', labels: { router: 'r', model: 'm', path: '/x' }, value: 1 },
    ],
    [
      'a different label',
      { name: 'llama_router_model_loads_total', labels: { router: 'r', alias: 'm' }, value: 1 },
    ],
    ['a gauge', { name: 'llama_router_up', labels: { router: 'r' }, value: 1 }],
    ['a histogram', { name: 'llama_router_poll_duration_seconds', labels: { router: 'r' }, value: 1 }],
  ])('is restored without %s', (_, value) => {
    lifecycleMetrics.restore([
      value,
      { name: 'llama_router_model_wakes_total', labels: { router: 'r', model: 'm' }, value: 2 },
    ]);
    expect(lifecycleMetrics.snapshot()).toEqual([
      { name: 'llama_router_model_wakes_total', labels: { router: 'r', model: 'm' }, value: 2 },
    ]);
  });

  it('does not keep more than 3,000 vanished models, restored ones included', () => {
    const loads = Array.from({ length: 4000 }, (_, i) => ({
      name: 'llama_router_model_loads_total',
      labels: { router: 'r', model: `m${i}` },
      value: 1,
    }));
    lifecycleMetrics.restore(loads);
    addRouter();
    for (let i = 0; i < 1500; i += 1) appear(`m${i}`);
    appear('new');
    expect(lifecycleMetrics.snapshot()).toHaveLength(4000);
    for (let i = 0; i < 600; i += 1) vanish(`m${i}`);
    // 2,500 restored models never appeared and 600 vanished: the oldest 100 of these 3,100 are forgotten.
    expect(lifecycleMetrics.snapshot()).toHaveLength(3900);
  });
});
