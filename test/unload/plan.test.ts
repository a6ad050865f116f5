import { describe, expect, it } from '@jest/globals';
import { ok } from '../../src/lib/result.ts';
import type { RouterMemory } from '../../src/memory/router-memory.ts';
import type { Status } from '../../src/models/feed.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { faultOf, planUnload } from '../../src/unload/plan.ts';
import type { Selection } from '../../src/unload/request.ts';
import { aModel } from '../support/a-model.ts';

const ALL: Selection = { models: [], keep: [] };
const NOW = 1_000_000;
const ON_THE_LIST = 'it is on the keep list';

const plan = (selection: Partial<Selection>, ...models: ReturnType<typeof aModel>[]) =>
  planUnload(models, { ...ALL, ...selection }, NOW);

const UNKNOWN_STATUS = { result: 'failed', detail: 'the server does not tell whether it is loaded' };

describe('a model with the status', () => {
  it.each<[Status, unknown, unknown]>([
    ['loaded', 'unload', 'unload'],
    ['sleeping', 'unload', 'unload'],
    ['loading', 'unload', 'unload'],
    ['unloaded', undefined, { result: 'already_unloaded' }],
    ['downloading', undefined, { result: 'kept', detail: 'it is downloading and holds no memory' }],
    ['other', UNKNOWN_STATUS, UNKNOWN_STATUS],
  ])('%s: when all models are selected, and when it is named', (status, unnamed, named) => {
    for (const [models, decision] of [
      [[], unnamed],
      [['tiny'], named],
    ] as const) {
      expect(plan({ models }, aModel({ status }))).toEqual({
        unload: decision === 'unload' ? ['tiny'] : [],
        settled: typeof decision === 'object' ? [{ model: 'tiny', ...decision }] : [],
      });
    }
  });
});

describe('a model of unknown status', () => {
  const strange = aModel({ status: 'other' });

  it('is kept by the keep list, and where only idle models are selected', () => {
    expect(plan({ keep: ['tiny'] }, strange).settled).toMatchObject([{ detail: ON_THE_LIST }]);
    expect(plan({ idleForMs: 1 }, strange).settled).toMatchObject([{ detail: 'its idle time is unknown' }]);
  });

  it('is no matter where an amount of memory is freed', () =>
    expect(plan({ target: { freeBytes: 1 } }, strange).settled).toEqual([]));
});

it.each<[string, Status[], boolean]>([
  ['all models', ['other', 'other'], true],
  ['some models', ['other', 'unloaded'], false],
  ['no model', ['loaded'], false],
  ['none, as there is none', [], false],
])('a server without the status of %s', (_, statuses, isFault) => {
  const models = new Map(statuses.map((status, index) => [`${index}`, aModel({ id: `${index}`, status })]));
  const fault = faultOf({ url: 'http://box', up: true, models, traits: ROUTER_TRAITS }, 'unloaded');
  expect(fault?.message).toEqual(
    isFault
      ? expect.stringMatching(/^http:\/\/box lists models without telling which are loaded/)
      : undefined,
  );
});

describe('names', () => {
  const qwen = aModel({ id: 'ggml-org/Qwen3-8B:Q4_K_M', aliases: ['chat', 'coder'], status: 'loaded' });
  const bge = aModel({ id: 'bge small "en"', status: 'loaded' });
  const tiny = aModel({ id: 'tiny', status: 'unloaded' });

  it.each<[string, string[], string[]]>([
    ['an id', ['bge small "en"'], [bge.id]],
    ['a glob, across slashes', ['ggml*Q4_?_M'], [qwen.id]],
    ['an alias', ['chat'], [qwen.id]],
    ['a glob on an alias', ['c?der'], [qwen.id]],
    [
      'several patterns, each model once in the order of the router',
      ['*en"', '*Qwen*', 'chat'],
      [qwen.id, bge.id],
    ],
    ['everything', ['*'], [qwen.id, bge.id]],
    ['not by a part of a name', ['Qwen'], []],
    ['not by a name in other case', ['CHAT'], []],
  ])('select by %s', (_, models, unload) => expect(plan({ models }, qwen, bge, tiny).unload).toEqual(unload));

  it.each<[string, string[], string[]]>([
    ['an id', ['bge small "en"'], [qwen.id]],
    ['an alias', ['coder'], [bge.id]],
    ['a glob', ['*'], []],
    ['a name that does not exist', ['gone'], [qwen.id, bge.id]],
  ])('keep by %s', (_, keep, unload) =>
    expect(plan({ models: ['*'], keep }, qwen, bge, tiny).unload).toEqual(unload),
  );

  it('on the keep list are reported only for models in memory', () =>
    expect(plan({ keep: ['*'] }, qwen, tiny).settled).toEqual([
      { model: qwen.id, result: 'kept', detail: ON_THE_LIST },
    ]));
});

it('a router without models has an empty plan', () => expect(plan({})).toEqual({ unload: [], settled: [] }));

describe('with idle_for, a model', () => {
  const idleFor = (idleForMs: number, ...models: ReturnType<typeof aModel>[]) =>
    plan({ idleForMs }, ...models);
  const loaded = (activity: ReturnType<typeof aModel>['activity'], since?: number) => ({
    ...aModel({ status: 'loaded', ...(since !== undefined && { since }) }),
    ...(activity && { activity }),
  });
  const quiet = { busy: false, work: 7, watchedAt: 0 };

  it.each<[string, ReturnType<typeof aModel>, string | undefined]>([
    ['served long ago', loaded({ ...quiet, lastAt: NOW - 60_000 }), undefined],
    ['served exactly that long ago', loaded({ ...quiet, lastAt: NOW - 30_000 }), undefined],
    ['served just now', loaded({ ...quiet, lastAt: NOW - 29_000 }), 'it was active 29s ago'],
    [
      'has not served since the exporter started long ago',
      loaded({ ...quiet, watchedAt: NOW - 30_000 }),
      undefined,
    ],
    [
      'has not served since the exporter started just now',
      loaded({ ...quiet, watchedAt: NOW - 1000 }),
      'it was active 1s ago',
    ],
    ['was just loaded', loaded({ ...quiet }, NOW - 2000), 'it was active 2s ago'],
    ['is busy', loaded({ ...quiet, busy: true }), 'it is in use'],
    ['is loading', aModel({ status: 'loading' }), 'it is in use'],
    ['has no metrics', loaded(undefined), 'its idle time is unknown'],
    ['has slept for long', aModel({ status: 'sleeping', since: NOW - 30_000 }), undefined],
    ['just fell asleep', aModel({ status: 'sleeping', since: NOW - 3000 }), 'it was active 3s ago'],
    ['was asleep when the exporter started', aModel({ status: 'sleeping' }), undefined],
  ])('that %s', (_, model, detail) =>
    expect(idleFor(30_000, model)).toEqual(
      detail === undefined
        ? { unload: ['tiny'], settled: [] }
        : { unload: [], settled: [{ model: 'tiny', result: 'kept', detail }] },
    ),
  );
});

describe('with a target, the plan', () => {
  const GIB = 2 ** 30;
  const idle = (id: string, idleSeconds: number, sizeBytes: number, loadSeconds: number) => ({
    ...aModel({ id, status: 'loaded' }),
    facts: { sizeBytes },
    loadSeconds,
    activity: { busy: false, work: 1, watchedAt: 0, lastAt: NOW - idleSeconds * 1000 },
  });
  const measured = (usedBytes: number): RouterMemory => {
    const freeBytes = 24 * GIB - usedBytes;
    const gpu = { gpu: '0', usedBytes, totalBytes: 24 * GIB, freeBytes, ofModel: () => 6 * GIB };
    const memory: RouterMemory = { ...gpu, onGpus: () => ok(memory), gpus: () => [gpu] };
    return memory;
  };
  const models = [idle('a', 100, 4 * GIB, 5), idle('b', 800, 2 * GIB, 1), idle('c', 10, 9 * GIB, 3)];

  it('unloads as few models as needed and says why it keeps the others', () =>
    expect(planUnload(models, { ...ALL, target: { freeBytes: 5 * GIB } }, NOW)).toEqual({
      unload: ['b', 'a'],
      settled: [{ model: 'c', result: 'kept', detail: 'enough memory is freed without it' }],
    }));

  it('uses measured memory', () => {
    const memory = measured(20 * GIB);
    const { unload } = planUnload(models, { ...ALL, target: { untilRatio: 0.5 } }, NOW, memory);
    expect(unload).toEqual(['b', 'a']);
  });

  it('unloads nothing when enough memory is free', () => {
    const memory = measured(2 * GIB);
    expect(planUnload(models, { ...ALL, target: { untilRatio: 0.5 } }, NOW, memory).unload).toEqual([]);
  });
});

it('a model that was loaded after the last reading may hold more than its weights', () => {
  const gpu = { gpu: '0', totalBytes: 300, usedBytes: 250, freeBytes: 50 };
  const memory = (bytes: number | undefined): RouterMemory => {
    const own = { ...gpu, ofModel: () => bytes };
    return { ...own, onGpus: () => ok(memory(bytes)), gpus: () => [own] };
  };
  const models = ['a', 'b'].map((id) => ({ ...aModel({ id, status: 'loaded' }), facts: { sizeBytes: 10 } }));
  const planned = (bytes: number | undefined) =>
    planUnload(models, { ...ALL, target: { freeOnOneGpu: 200 } }, NOW, memory(bytes)).unload;
  expect([planned(undefined), planned(100), planned(60)]).toEqual([['a', 'b'], ['a', 'b'], []]);
});
