import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseEvent, parseListing, parseProps } from '../../../src/backends/llama-server/schemas.ts';
import { parseJson } from '../../../src/lib/parse-json.ts';
import { STATUSES } from '../../../src/models/feed.ts';
import { anyText } from '../../support/any-text.ts';

const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'router', name), 'utf8');
const listing = (name: string) => parseListing(parseJson(recorded(name)));
const eventsOf = (name: string) =>
  recorded(name)
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => parseEvent(event.replace(/^data: /, '')));

/** The only model of a listing. */
const parsed = (entry: unknown) => parseListing({ data: [entry] })?.models[0];

describe('a recorded listing', () => {
  it('of unloaded models has ids, sources and context lengths, and no ports', () => {
    expect(listing('models-all-unloaded.json')).toEqual({
      models: [
        ['broken', {}],
        ['mid', { contextTokens: 8192 }],
        ['tiny-a', { contextTokens: 256 }],
        ['tiny-b', { contextTokens: 256 }],
        ['tiny-c', { contextTokens: 256 }],
      ].map(([id, facts]) => ({
        id,
        aliases: [],
        status: 'unloaded',
        failed: false,
        instance: 0,
        sleepIdleSeconds: 4,
        hasLoaded: false,
        facts: { source: 'models_dir', ...(facts as object) },
      })),
      malformed: [],
    });
  });

  it.each([
    ['models-one-loaded.json', 'tiny-a', { status: 'loaded', failed: false }],
    ['models-sleeping.json', 'tiny-c', { status: 'sleeping', failed: false, hasLoaded: true }],
    ['models-load-failed.json', 'broken', { status: 'unloaded', failed: true, hasLoaded: false }],
    ['models-after-forced-unload.json', 'mid', { status: 'unloaded', failed: true }],
  ])('%s has %s as recorded', (file, id, wanted) => {
    const found = listing(file);
    expect(found?.malformed).toEqual([]);
    expect(found?.models.find((model) => model.id === id)).toMatchObject(wanted);
  });

  it('has the facts and the port of a running model', () => {
    const model = listing('models-one-loaded.json')?.models.find(({ id }) => id === 'tiny-a');
    expect(model?.instance).toBeGreaterThan(1024);
    expect(model?.hasLoaded).toBe(true);
    expect(model?.facts).toEqual({
      source: 'models_dir',
      parameters: 77760,
      sizeBytes: 311040,
      contextTokens: 256,
      quantization: 'all F32',
    });
  });
});

describe('the status of a model', () => {
  it.each<[string, unknown, string]>([
    ...STATUSES.filter((status) => status !== 'other').map((status): [string, unknown, string] => [
      `an object of ${status}`,
      { value: status },
      status,
    ]),
    ['a plain string', 'loaded', 'loaded'],
    ['an object with unknown keys', { value: 'loaded', args: [], mood: 'good' }, 'loaded'],
    ['as in December 2025', { value: 'loading', args: ['llama-server', '-m', 'x'] }, 'loading'],
    ['an unknown status', { value: 'hibernating' }, 'other'],
    ['an unknown string', 'hibernating', 'other'],
    ['the word for unknown statuses', 'other', 'other'],
    ['another case', 'Loaded', 'other'],
    ['empty', '', 'other'],
    ['missing', undefined, 'other'],
    ['null', null, 'other'],
    ['a number', 3, 'other'],
    ['a list', ['loaded'], 'other'],
    ['an object without value', { failed: true }, 'other'],
    ['an object whose value is no string', { value: 1 }, 'other'],
  ])('%s', (_, status, wanted) => {
    expect(parsed({ id: 'm', status })?.status).toBe(wanted);
  });

  it('is other for a model without one', () => {
    expect(parsed({ id: 'm', object: 'model', owned_by: 'llamacpp' })).toEqual({
      id: 'm',
      aliases: [],
      status: 'other',
      failed: false,
      hasLoaded: false,
      facts: {},
    });
  });

  it.each<[string, unknown, object]>([
    ['failed', { failed: true, exit_code: 9 }, { failed: true, exitCode: 9 }],
    ['failed as text', { failed: 'yes' }, { failed: false }],
    [
      'an invalid code and a valid mark',
      { failed: true, exit_code: 1.5 },
      { failed: true, exitCode: undefined },
    ],
  ])('with %s', (_, rest, wanted) => {
    const model = parsed({ id: 'm', status: { value: 'unloaded', ...(rest as object) } });
    expect(model).toMatchObject(wanted);
  });

  it.each<[unknown, number | undefined]>([
    [['--port', '48653'], 48653],
    [['--port', '0'], 0],
    [['--port', '1', '--port', '2'], 2],
    [['--port'], undefined],
    [['--port', 'any'], undefined],
    [['-p', '1'], undefined],
    [['--port', 8080], undefined],
    ['--port 1', undefined],
    [[], undefined],
  ])('with args %j has the port %s', (args, wanted) => {
    expect(parsed({ id: 'm', status: { value: 'loaded', args } })?.instance).toBe(wanted);
  });

  it.each<[unknown, number | undefined]>([
    [['llama-server', '--port', '1'], 0],
    [['--sleep-idle-seconds', '20', '--port', '1'], 20],
    [['--sleep-idle-seconds=20'], 20],
    [['--sleep_idle_seconds', '20'], 20],
    [['--sleep-idle-seconds', '-1'], 0],
    [['--sleep-idle-seconds=-1'], 0],
    [['--sleep-idle-seconds', '20', '--sleep-idle-seconds', '-1'], 0],
    [['--sleep-idle-seconds', '-1', '--sleep-idle-seconds', '20'], 20],
    [['--alias', '--sleep-idle-seconds-of-mine'], 0],
    [['--sleep-idle-seconds'], undefined],
    [['--sleep-idle-seconds', ''], undefined],
    [['--sleep-idle-seconds', 'soon'], undefined],
    [[], undefined],
    [undefined, undefined],
    ['--sleep-idle-seconds 20', undefined],
  ])('with args %j falls asleep after %s s; 0 is never', (args, wanted) => {
    expect(parsed({ id: 'm', status: { value: 'loaded', args } })?.sleepIdleSeconds).toBe(wanted);
  });
});

describe('the name of a model', () => {
  it.each<[string, unknown, string]>([
    ['an id', { id: 'a' }, 'a'],
    ['a name instead of an id', { name: 'a' }, 'a'],
    ['both: the id', { id: 'a', name: 'b' }, 'a'],
    ['an empty id and a name', { id: '', name: 'b' }, 'b'],
    ['an id that is no text and a name', { id: 7, name: 'b' }, 'b'],
    ...[
      'owner/repository:Q4_K_M',
      'a b',
      'say "hi"',
      'C:\\models\\x',
      'über-modell',
      '模型',
      '🦙',
      ' ',
      '__proto__',
    ].map((id): [string, unknown, string] => [`text such as ${id}`, { id }, id]),
  ])('is %s', (_, entry, wanted) => {
    expect(parsed(entry)?.id).toBe(wanted);
  });

  it.each<[string, unknown, string]>([
    ['no name at all', {}, 'it has neither a usable "id" nor "name"'],
    ['an empty name', { name: '' }, 'it has neither a usable "id" nor "name"'],
    ['half a surrogate pair', { id: 'a\ud800' }, 'it has neither a usable "id" nor "name"'],
    ['null instead of a model', null, 'Invalid input: expected object, received null'],
    ['text instead of a model', 'tiny-a', 'Invalid input: expected object, received string'],
    ['a list instead of a model', [], 'Invalid input: expected object, received array'],
  ])('is missing: %s', (_, entry, message) => {
    expect(parseListing({ data: [entry] })).toEqual({ models: [], malformed: [`data[0]: ${message}`] });
  });

  it('is unique: the second model of the same name is malformed', () => {
    const data = [{ id: 'a', status: 'loaded' }, { id: 'b' }, { name: 'a', status: 'unloaded' }];
    const found = parseListing({ data });
    expect(found?.models.map(({ id, status }) => [id, status])).toEqual([
      ['a', 'loaded'],
      ['b', 'other'],
    ]);
    expect(found?.malformed).toEqual(['data[2]: a second model named a']);
  });

  it('gives the quantization of a hub model, before and after its first load', () => {
    const quantization = (entry: object) => parsed(entry)?.facts.quantization;
    expect(quantization({ id: 'ggml-org/gemma-3-4b-it-GGUF:Q4_K_M' })).toBe('Q4_K_M');
    expect(quantization({ id: 'o/r:Q4_K_M', meta: { ftype: 'Q4_K - Medium' } })).toBe('Q4_K_M');
    expect(quantization({ id: 'plain', meta: { ftype: 'Q4_K - Medium' } })).toBe('Q4_K - Medium');
    for (const id of ['qwen:Q4_K_M', 'o/r', 'o/r:', 'a/b/c:Q8_0', 'o/r:Q8 0'])
      expect(quantization({ id })).toBeUndefined();
  });
});

describe('the facts of a model', () => {
  it.each<[string, unknown, object]>([
    [
      'is whole',
      { n_params: 1, size: 2, n_ctx: 3, ftype: 'F16' },
      { parameters: 1, sizeBytes: 2, contextTokens: 3, quantization: 'F16' },
    ],
    ['is nothing', null, {}],
    ['is no object', 'big', {}],
    ['is half broken', { n_params: '7B', size: 2, ftype: 4 }, { sizeBytes: 2 }],
    ['is negative', { n_params: -1, size: 2 }, { sizeBytes: 2 }],
    ['is huge', { size: 1e300 }, { sizeBytes: 1e300 }],
    ['is zero', { n_params: 0 }, { parameters: 0 }],
  ])('%s', (_, meta, facts) => {
    expect(parsed({ id: 'm', meta })?.facts).toEqual(facts);
  });

  it('leave out infinite numbers', () => {
    const body = parseJson(
      '{"data":[{"id":"m","context_length":1e999,"meta":{"size":-1e999,"n_params":5}}]}',
    );
    expect(parseListing(body)?.models[0]?.facts).toEqual({ parameters: 5 });
  });

  it('prefer the context of the process to that of the file', () => {
    expect(parsed({ id: 'm', context_length: 8192, meta: { n_ctx: 256 } })?.facts.contextTokens).toBe(256);
    expect(parsed({ id: 'm', context_length: 8192 })?.facts.contextTokens).toBe(8192);
  });

  it('leave out aliases that are not all text', () => {
    expect(parsed({ id: 'm', aliases: ['x', 'y'] })?.aliases).toEqual(['x', 'y']);
    expect(parsed({ id: 'm', aliases: ['x', 1] })?.aliases).toEqual([]);
    expect(parsed({ id: 'm', aliases: 'x' })?.aliases).toEqual([]);
  });
});

describe('a body that is no listing', () => {
  it.each([
    undefined,
    null,
    true,
    7,
    'models',
    [],
    {},
    { data: {} },
    { data: null },
    { models: [] },
    { error: { code: 500, message: 'x' } },
  ])('%j', (body) => {
    expect(parseListing(body)).toBeUndefined();
  });
});

describe('props', () => {
  it('of a router', () => {
    expect(parseProps(parseJson(recorded('props-router.json')))).toEqual({
      modelsMax: 2,
      autoload: true,
      build: 'b11669-Debian',
    });
  });

  it.each<[unknown, object | undefined]>([
    [{ role: 'router' }, {}],
    [{ role: 'router', max_instances: -1, models_autoload: 'no', build_info: 4 }, {}],
    [
      { role: 'router', max_instances: 0, models_autoload: false },
      { modelsMax: 0, autoload: false },
    ],
    [{ role: 'model', build_info: 'b1' }, undefined],
    [{ build_info: 'b1', default_generation_settings: {} }, undefined],
    [null, undefined],
    ['router', undefined],
  ])('%j', (body, wanted) => {
    expect(parseProps(body)).toEqual(wanted);
  });
});

describe('recorded events', () => {
  const began = { name: 'model_status', kind: 'status', status: 'loading', begins: true };
  const turned = { name: 'status_change', kind: 'status', begins: false };
  const facts = { parameters: 77760, sizeBytes: 311040, contextTokens: 256, quantization: 'all F32' };

  it('of a load', () => {
    expect(eventsOf('sse-load.sse')).toEqual([
      { ...began, model: 'tiny-a' },
      { ...turned, model: 'tiny-a', status: 'loading', progress: 0 },
      { ...turned, model: 'tiny-a', status: 'loading', progress: 1 },
      { ...turned, model: 'tiny-a', status: 'loaded', facts },
    ]);
  });

  it.each([
    ['sse-crash.sse', { ...turned, model: 'tiny-a', status: 'unloaded', exitCode: 1 }],
    ['sse-unload-idle.sse', { ...turned, model: 'tiny-a', status: 'unloaded', exitCode: 0 }],
    ['sse-reload-list.sse', { name: 'models_reload', kind: 'list_changed' }],
    ['sse-sleep-and-wake.sse', { ...turned, model: 'tiny-c', status: 'loaded' }],
  ])('of %s end as recorded', (file, last) => {
    expect(eventsOf(file).at(-1)).toEqual(last);
  });
});

describe('an event', () => {
  const said = (event: unknown) => parseEvent(JSON.stringify(event));
  const change = (data: unknown) => said({ model: 'm', event: 'status_change', data });

  it.each<[string, unknown, object]>([
    ['an unknown status', { status: 'hibernating' }, { kind: 'status', status: 'other' }],
    ['a status that is no text', { status: 5 }, { kind: 'unknown' }],
    ['no status', {}, { kind: 'unknown' }],
    ['no data', undefined, { kind: 'unknown' }],
    ['data that is no object', 'loaded', { kind: 'unknown' }],
    ['a broken exit code', { status: 'unloaded', exit_code: 'one' }, { kind: 'status', status: 'unloaded' }],
    [
      'a progress out of range',
      { status: 'loading', progress: { value: 1.5 } },
      { kind: 'status', status: 'loading' },
    ],
    [
      'a progress of another shape',
      { status: 'loading', progress: 0.5 },
      { kind: 'status', status: 'loading' },
    ],
    ['broken facts', { status: 'loaded', info: { meta: 7 } }, { kind: 'status', status: 'loaded' }],
    ['facts without anything', { status: 'loaded', info: {} }, { kind: 'status', status: 'loaded' }],
  ])('with %s', (_, data, wanted) => {
    const known = 'status' in wanted ? { model: 'm', begins: false } : {};
    expect(change(data)).toEqual({ name: 'status_change', ...known, ...wanted });
  });

  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['no JSON', '{"model":"m"'],
    ['null', 'null'],
    ['a list', '[1]'],
    ['no model', '{"event":"status_change","data":{"status":"loaded"}}'],
    ['an empty model', '{"model":"","event":"status_change","data":{"status":"loaded"}}'],
    ['half a surrogate pair', '{"model":"\\ud800","event":"status_change","data":{"status":"loaded"}}'],
    ['no event', '{"model":"m"}'],
  ])('that is %s only counts as other', (_, line) => {
    expect(parseEvent(String(line))).toEqual({ name: 'other', kind: 'unknown' });
  });

  it('with an unknown name counts as other', () => {
    expect(said({ model: 'm', event: 'a-new-one', data: { status: 'loaded' } })).toEqual({
      name: 'other',
      kind: 'unknown',
    });
  });

  it.each(['models_reload', 'model_remove', 'download_finished', 'download_failed'])(
    '%s is a reason to list again',
    (event) => {
      expect(said({ model: 'm', event })).toEqual({ name: event, kind: 'list_changed' });
    },
  );

  it('of a download adds up its files', () => {
    const progress = { 'http://hub/a': { done: 3, total: 10 }, 'http://hub/b': { done: 4, total: 20 } };
    expect(said({ model: 'm', event: 'download_progress', data: { progress } })).toEqual({
      ...{ name: 'download_progress', kind: 'download', model: 'm' },
      ...{ doneBytes: 7, totalBytes: 30 },
    });
  });

  it.each<[string, unknown]>([
    ['no data', undefined],
    ['no progress', {}],
    ['a progress of another shape', { progress: { value: 0.5 } }],
    ['negative bytes', { progress: { url: { done: -1, total: 10 } } }],
  ])('of a download with %s has no bytes', (_, data) => {
    expect(said({ model: 'm', event: 'download_progress', data })).toEqual({
      name: 'download_progress',
      kind: 'unknown',
    });
  });
});

describe('any body', () => {
  const anyName = anyText({ minLength: 1 });

  it('is parsed without an exception into a consistent listing', () => {
    const nearly = fc.record(
      {
        id: fc.oneof(anyName, fc.jsonValue()),
        name: fc.jsonValue(),
        status: fc.oneof(
          fc.constantFrom(...STATUSES),
          fc.jsonValue(),
          fc.dictionary(fc.constantFrom('value', 'args', 'failed', 'exit_code'), fc.jsonValue()),
        ),
        meta: fc.dictionary(fc.constantFrom('n_params', 'size', 'n_ctx', 'ftype'), fc.jsonValue()),
        aliases: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const bodies = fc.oneof(fc.jsonValue(), fc.record({ data: fc.array(fc.oneof(nearly, fc.jsonValue())) }));
    fc.assert(
      fc.property(bodies, (body) => {
        const found = parseListing(body);
        parseProps(body);
        if (!found) return;
        const ids = found.models.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.length + found.malformed.length).toBe((body as { data: unknown[] }).data.length);
        for (const { id, status, facts } of found.models) {
          expect(Buffer.from(id).toString()).toBe(id);
          expect(STATUSES).toContain(status);
          for (const fact of [facts.parameters, facts.sizeBytes, facts.contextTokens]) {
            if (fact !== undefined) expect(Number.isFinite(fact) && fact >= 0).toBe(true);
          }
        }
      }),
    );
  });

  it('never hides a valid model among invalid ones', () => {
    const good = { id: 'the good one', status: { value: 'loaded', args: ['--port', '7'] } };
    const others = fc.array(fc.jsonValue().filter((value) => parsed(value)?.id !== good.id));
    fc.assert(
      fc.property(others, others, (before, after) => {
        const found = parseListing({ data: [...before, good, ...after] });
        expect(found?.models.find(({ id }) => id === good.id)).toEqual({
          ...{
            id: good.id,
            aliases: [],
            status: 'loaded',
            failed: false,
            instance: 7,
            sleepIdleSeconds: 0,
            hasLoaded: false,
            facts: {},
          },
        });
      }),
    );
  });

  it('is parsed as an event without an exception', () => {
    const event = fc.record(
      {
        model: fc.oneof(anyName, fc.jsonValue()),
        event: fc.oneof(fc.constantFrom('model_status', 'status_change', 'download_progress'), fc.string()),
        data: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anyText(),
          fc.json(),
          event.map((value) => JSON.stringify(value)),
        ),
        (line) => {
          const parsedEvent = parseEvent(line);
          expect(typeof parsedEvent.name).toBe('string');
          if ('model' in parsedEvent) expect(parsedEvent.model).not.toBe('');
        },
      ),
    );
  });
});
