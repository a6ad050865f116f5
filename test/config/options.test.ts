import { parseArgs } from 'node:util';
import { expect, it } from '@jest/globals';
import * as z from 'zod';
import { environmentLayer } from '../../src/config/environment.ts';
import { count, secret, section, text, texts, toggle } from '../../src/config/fields.ts';
import { CONFIGURATION_FLAGS, flagLayer, optionFlags } from '../../src/config/flags.ts';
import { loadConfig } from '../../src/config/load.ts';
import { flagOf, formatPlace, nodesOf, variableOf } from '../../src/config/options.ts';
import { CONFIG_OPTIONS } from '../../src/config/schema.ts';
import { hideSecrets } from '../../src/config/secrets.ts';

const schema = z.strictObject({
  web: section('Web.', {
    token: secret('A token.'),
    compress: toggle(true, 'Compress.'),
    config: section('A section in a section.', { file: text('', 'A file.') }),
  }),
  keep: section('Kept.', { models: texts('Globs.'), at_most: count(3, 'Number.', { max: 9 }) }),
});
const parseArgsOptions = (flags = CONFIGURATION_FLAGS) =>
  Object.fromEntries(
    flags.map(({ name, repeatable }) => [name, { type: 'string' as const, multiple: repeatable }]),
  );
const options = nodesOf(schema).filter(({ kind }) => kind !== 'section');

it('flags and variables are named after the place of their option', () => {
  expect(options.map((option) => [formatPlace(option.path), flagOf(option), variableOf(option)])).toEqual([
    ['web.token', undefined, 'LLAMA_ROUTER_EXPORTER_WEB_TOKEN'],
    ['web.token_file', 'web.token-file', 'LLAMA_ROUTER_EXPORTER_WEB_TOKEN_FILE'],
    ['web.compress', 'web.compress', 'LLAMA_ROUTER_EXPORTER_WEB_COMPRESS'],
    ['web.config.file', 'web.config.file', 'LLAMA_ROUTER_EXPORTER_WEB_CONFIG_FILE'],
    ['keep.models', 'keep.models', 'LLAMA_ROUTER_EXPORTER_KEEP_MODELS'],
    ['keep.at_most', 'keep.at-most', 'LLAMA_ROUTER_EXPORTER_KEEP_AT_MOST'],
  ]);
});

it('reads options from variables and flags', () => {
  const fromEnvironment = environmentLayer(
    {
      LLAMA_ROUTER_EXPORTER_WEB_TOKEN: 'sk-1',
      LLAMA_ROUTER_EXPORTER_WEB_COMPRESS: 'false',
      LLAMA_ROUTER_EXPORTER_WEB_CONFIG_FILE: '/web.yml',
      LLAMA_ROUTER_EXPORTER_KEEP_MODELS: 'a*,b',
      LLAMA_ROUTER_EXPORTER_KEEP_AT_MOST: '4',
    },
    options,
  );
  expect(hideSecrets(fromEnvironment, options)).toEqual([]);
  expect(schema.parse(fromEnvironment.tree)).toMatchObject({
    web: { compress: false, config: { file: '/web.yml' } },
    keep: { models: ['a*', 'b'], at_most: 4 },
  });
  const { values } = parseArgs({
    args: ['--keep.models', 'a*', '--keep.models=b', '--web.compress=false', '--keep.at-most', '4'],
    options: parseArgsOptions(optionFlags(options)),
  });
  expect(schema.parse(flagLayer(values, options).tree)).toEqual({
    web: { compress: false, config: { file: '' } },
    keep: { models: ['a*', 'b'], at_most: 4 },
  });
});

it('loads the flags that parseArgs of node:util returns', () => {
  const { values } = parseArgs({
    args: ['--router', 'http://a', '--router', 'http://b', '--log.level=debug', '--state.file', ''],
    options: parseArgsOptions(),
  });
  const config = loadConfig({ env: {}, flags: { ...values, output: 'json' } });
  expect(config.routers.map(({ name }) => name)).toEqual(['a:80', 'b:80']);
  expect(config.log.level).toBe('debug');
});

it('no two options have the same flag or variable', () => {
  const flags = CONFIG_OPTIONS.flatMap((option) => flagOf(option) ?? []);
  const variables = CONFIG_OPTIONS.flatMap((option) => variableOf(option) ?? []);
  expect(new Set(flags).size).toBe(flags.length);
  expect(new Set(variables).size).toBe(variables.length);
});
