import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  parseError,
  parseMessage,
  parseModels,
  parseRunning,
  parseVersion,
} from '../../../src/backends/llama-swap/schemas.ts';

const recorded = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'llama-swap', name), 'utf8'));

describe('the models of the configuration', () => {
  it('are the recorded ones without those of a peer', () => {
    expect(parseModels(recorded('models.json'))?.map(({ id }) => id)).toEqual([
      ...['bad-cmd', 'bad-file', 'limited', 'mid', 'never-ready', 'org/model "8B" x:Q5 näme', 'stubborn'],
      ...['tiny-a', 'tiny-b', 'tiny-c', 'tiny-ttl'],
    ]);
  });

  it('have their aliases and their context length', () => {
    const model = parseModels(recorded('models.json'))?.find(({ id }) => id === 'tiny-a');
    expect(model).toEqual({
      id: 'tiny-a',
      aliases: ['gpt-4o-mini', 'alias/with slash'],
      contextTokens: 2048,
    });
  });

  it.each(['alias', 'peer', 'selector', 'profile', 'of a later version'])('are none of type %s', (type) => {
    expect(parseModels({ data: [{ id: 'a', meta: { llamaswap: { type } } }] })).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no metadata', { id: 'a' }],
    ['metadata of another shape', { id: 'a', meta: 7 }],
    ['metadata of the user alone', { id: 'a', meta: { llamaswap: { quant: 'Q5' } } }],
    ['a context length of 0', { id: 'a', context_length: 0 }],
  ])('may have %s', (_, entry) => {
    expect(parseModels({ data: [entry] })).toEqual([{ id: 'a', aliases: [] }]);
  });

  it.each([{}, [], null, 'a', { data: 'a' }])('are not in %j', (body) => {
    expect(parseModels(body)).toBeUndefined();
  });
});

describe('the running models', () => {
  it('have a state, a command, an address and a ttl', () => {
    expect(parseRunning(recorded('running-three.json'))?.[1]).toEqual({
      id: 'tiny-a',
      state: 'ready',
      command:
        'chroot /opt/llama llama-server --host 127.0.0.1 --port 18817 -c 2048 --metrics -t 1 -m /srv/models/tiny-a.gguf',
      proxy: 'http://127.0.0.1:18817',
      ttlSeconds: 0,
    });
  });

  it.each<[string, string[]]>([
    ['running-none.json', []],
    ['running-starting.json', ['mid starting']],
    ['running-stopping.json', ['stubborn stopping', 'tiny-c ready']],
    ['running-odd-id.json', ['mid ready', 'org/model "8B" x:Q5 näme ready', 'tiny-a ready', 'tiny-c ready']],
  ])('of %s', (name, wanted) => {
    expect(parseRunning(recorded(name))?.map(({ id, state }) => `${id} ${state}`)).toEqual(wanted);
  });

  it('are those with a name', () => {
    const entries = [{ model: 'a' }, { model: '' }, { model: '\ud800' }, {}, 'b', null];
    expect(parseRunning({ running: entries })).toEqual([{ id: 'a', state: '' }]);
  });
});

describe('a message of the event stream', () => {
  const message = (type: string, data: unknown) =>
    parseMessage(JSON.stringify({ type, data: JSON.stringify(data) }));

  it('with log lines is dropped before its text is parsed', () => {
    expect(parseMessage('{"type":"logData","data":"{\\"data\\":\\"a prom')).toEqual({ kind: 'ignored' });
    expect(parseMessage('{"data":"{}","type":"logData"}')).toEqual({ kind: 'ignored' });
  });

  it.each(['activity', 'uiConfig', 'profileChanged'])('of type %s says nothing about a model', (type) => {
    expect(message(type, { id: 4 })).toEqual({ kind: 'ignored' });
  });

  it('with models leaves out those of a peer, and entries without a name', () => {
    const models = [
      { id: 'a', state: 'ready', unlisted: true, peerID: '', aliases: ['b'], context_length: 512 },
      { id: 'far/a', state: '', peerID: 'far' },
      { id: 'near/a', state: '' },
      { id: '', state: 'ready' },
      { state: 'ready' },
      'c',
    ];
    expect(message('modelStatus', models)).toEqual({
      kind: 'models',
      models: [{ id: 'a', state: 'ready', unlisted: true, aliases: ['b'], contextTokens: 512 }],
    });
  });

  it.each<[unknown, unknown]>([
    [{ operation: 'snapshot' }, { operation: 'snapshot', requests: [] }],
    [
      { operation: 'snapshot', requests: [{ id: '1', model: 'a', req_path: '/x' }, { id: 2 }] },
      { operation: 'snapshot', requests: [{ id: '1', model: 'a' }] },
    ],
    [
      { operation: 'upsert', request: { id: '1', model: 'a', resp_bytes: 4 } },
      { operation: 'upsert', request: { id: '1', model: 'a' } },
    ],
    [
      { operation: 'remove', id: '1' },
      { operation: 'remove', id: '1' },
    ],
  ])('with requests: %j', (data, change) => {
    expect(message('inflight', data)).toEqual({ kind: 'requests', change });
  });

  it.each<[string, string]>([
    ['of another type', '{"type":"weather","data":"{}"}'],
    ['with requests of another shape', '{"type":"inflight","data":"{\\"total\\":3}"}'],
    ['with an unknown operation', '{"type":"inflight","data":"{\\"operation\\":\\"pause\\"}"}'],
    ['with models of another shape', '{"type":"modelStatus","data":"{}"}'],
    ['with half a list', '{"type":"modelStatus","data":"[{"}'],
    ['without data', '{"type":"modelStatus"}'],
    ['that is no JSON', 'hello'],
    ['of llama-server', '{"model":"a","event":"status_change"}'],
  ])('%s is unknown', (_, line) => {
    expect(parseMessage(line)).toEqual({ kind: 'unknown' });
  });

  it('of any shape throws nothing', () => {
    const type = fc.constantFrom('modelStatus', 'inflight', 'logData', 'x');
    fc.assert(
      fc.property(type, fc.jsonValue(), (name, value) => {
        message(name, value);
        parseMessage(JSON.stringify({ type: name, data: value }));
      }),
      { numRuns: 200 },
    );
  });
});

it('an error of llama-swap names itself', () => {
  expect(parseError(recorded('unload-unknown-model.error.json'))).toBe('model not found');
  expect(parseError({ error: { message: 'File Not Found' } })).toBeUndefined();
});

it('a version is a text', () => {
  expect(parseVersion(recorded('version.json'))).toBe('0');
  expect(parseVersion({ version: 250 })).toBeUndefined();
});
