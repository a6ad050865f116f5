import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { isLlamaSwap, oldVersion } from '../../../src/backends/llama-swap/identity.ts';

const recorded = (folder: string, name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', folder, name), 'utf8'));

describe('a llama-swap is recognised by', () => {
  it.each([
    'models.json',
    'running-none.json',
    'running-three.json',
    'unload-unknown-model.error.json',
    'unauthorized.error.json',
  ])('its %s', (name) => {
    expect(isLlamaSwap({ body: recorded('llama-swap', name) })).toBe(true);
  });

  it('the realm of its 401', () => {
    expect(isLlamaSwap({ body: undefined, authenticate: 'Basic realm="llama-swap"' })).toBe(true);
  });
});

it.each<[string, unknown]>([
  ['models of a llama-server', recorded('router', 'models-one-loaded.json')],
  ['an error of a llama-server', recorded('router', 'unauthorized.error.json')],
  ['no models', { data: [] }],
  ['no JSON', undefined],
])('%s are not those of a llama-swap', (_, body) => {
  expect(isLlamaSwap({ body, authenticate: 'Basic realm="proxy"' })).toBe(false);
});

const tooOld = (version: number) =>
  `is llama-swap v${version}, but the exporter needs v240 or newer: update llama-swap`;

it.each<[string, string | undefined]>([
  ['239', tooOld(239)],
  ['v161', tooOld(161)],
  ['v239-5-g0bdb3720', tooOld(239)],
  ['1', tooOld(1)],
  ['240', undefined],
  ['v250-5-g0bdb3720', undefined],
  ['1000', undefined],
  ['0', undefined],
  ['', undefined],
  ['unknown', undefined],
  ['local_0bdb3720', undefined],
  ['12b3720', undefined],
])('version %j: %s', (version, wanted) => {
  expect(oldVersion(version)).toBe(wanted);
});
