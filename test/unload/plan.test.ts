import { describe, expect, it } from '@jest/globals';
import type { Status } from '../../src/models/status.ts';
import { planUnload, type Selection } from '../../src/unload/plan.ts';
import { aModel } from '../support/a-model.ts';

const ALL: Selection = { models: [], keep: [], includeLoading: false };
const ON_THE_LIST = 'it is on the keep list';

const plan = (selection: Partial<Selection>, ...models: ReturnType<typeof aModel>[]) =>
  planUnload(models, { ...ALL, ...selection });

describe('a model that is', () => {
  const still = { result: 'kept', detail: 'it is still loading: --include-loading ends that too' };
  it.each<[Status, unknown, unknown]>([
    ['loaded', 'unload', 'unload'],
    ['sleeping', 'unload', 'unload'],
    ['loading', still, still],
    ['unloaded', undefined, { result: 'already_unloaded' }],
    ['downloading', undefined, { result: 'kept', detail: 'it is downloading and holds no memory' }],
    ['other', undefined, { result: 'failed', detail: 'the router does not tell its status' }],
  ])('%s: when all are meant, and when it is named', (status, unnamed, named) => {
    for (const [models, decision] of [
      [[], unnamed],
      [['tiny'], named],
    ] as const) {
      expect(plan({ models }, aModel({ status }))).toEqual({
        unload: decision === 'unload' ? ['tiny'] : [],
        settled: typeof decision === 'object' ? [{ model: 'tiny', ...decision }] : [],
        unmatched: [],
      });
    }
  });
});

describe('loading', () => {
  it('is ended when that is asked for', () =>
    expect(plan({ includeLoading: true }, aModel({ status: 'loading' })).unload).toEqual(['tiny']));

  it('is kept when it is on the keep list, whatever is asked for', () =>
    expect(plan({ includeLoading: true, keep: ['t*'] }, aModel({ status: 'loading' }))).toEqual({
      unload: [],
      settled: [{ model: 'tiny', result: 'kept', detail: ON_THE_LIST }],
      unmatched: [],
    }));
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
      'several patterns, each model once and in the router’s order',
      ['*en"', '*Qwen*', 'chat'],
      [qwen.id, bge.id],
    ],
    ['everything', ['*'], [qwen.id, bge.id]],
    ['a part of a name, which is no name', ['Qwen'], []],
    ['other letters of the same name', ['CHAT'], []],
  ])('select by %s', (_, models, unload) => expect(plan({ models }, qwen, bge, tiny).unload).toEqual(unload));

  it.each<[string, string[], string[]]>([
    ['an id', ['bge small "en"'], [qwen.id]],
    ['an alias', ['coder'], [bge.id]],
    ['a glob', ['*'], []],
    ['nothing that is there', ['gone'], [qwen.id, bge.id]],
  ])('keep by %s, which wins', (_, keep, unload) =>
    expect(plan({ models: ['*'], keep }, qwen, bge, tiny).unload).toEqual(unload),
  );

  it('that are kept are told, but not those that hold no memory anyway', () =>
    expect(plan({ keep: ['*'] }, qwen, tiny).settled).toEqual([
      { model: qwen.id, result: 'kept', detail: ON_THE_LIST },
    ]));

  it('that match no model are told, also when they match one at rest or kept', () => {
    expect(plan({ models: ['tiny', 'qwen*', 'chat', 'x'], keep: ['chat'] }, qwen, tiny).unmatched).toEqual([
      'qwen*',
      'x',
    ]);
  });
});

it('a router without models is a plan without work', () =>
  expect(plan({})).toEqual({ unload: [], settled: [], unmatched: [] }));
