import { parseArgs } from 'node:util';
import { expect, it } from '@jest/globals';
import { z } from 'zod';
import { environmentLayer } from '../../src/config/environment.ts';
import { count, secret, section, text, texts, toggle } from '../../src/config/fields.ts';
import { flagLayer, optionFlags, parseArgsOptions } from '../../src/config/flags.ts';
import { loadConfig } from '../../src/config/load.ts';
import { flagOf, variableOf } from '../../src/config/names.ts';
import { optionsOf } from '../../src/config/options.ts';
import { formatPlace } from '../../src/config/place.ts';
import { hideSecrets } from '../../src/config/secrets.ts';

/** Kinds of options that the schema may come to have, and a section in a section. */
const schema = z.strictObject({
  web: section('Web.', {
    token: secret('A token.'),
    compress: toggle(true, 'Whether to compress.'),
    config: section('Its own file.', { file: text('', 'Where it is.') }),
  }),
  keep: section('Kept.', { models: texts('Globs.'), at_most: count(3, 'How many.', { max: 9 }) }),
});
const options = optionsOf(schema);

it('names every option after its place', () => {
  expect(options.map((option) => [formatPlace(option.path), flagOf(option), variableOf(option)])).toEqual([
    ['web.token', undefined, 'LLAMA_ROUTER_EXPORTER_WEB_TOKEN'],
    ['web.token_file', 'web.token-file', 'LLAMA_ROUTER_EXPORTER_WEB_TOKEN_FILE'],
    ['web.compress', 'web.compress', 'LLAMA_ROUTER_EXPORTER_WEB_COMPRESS'],
    ['web.config.file', 'web.config.file', 'LLAMA_ROUTER_EXPORTER_WEB_CONFIG_FILE'],
    ['keep.models', 'keep.models', 'LLAMA_ROUTER_EXPORTER_KEEP_MODELS'],
    ['keep.at_most', 'keep.at-most', 'LLAMA_ROUTER_EXPORTER_KEEP_AT_MOST'],
  ]);
});

it('reads them from variables and flags alike', () => {
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
    args: ['--keep.models', 'a*', '--keep.models=b', '--no-web.compress', '--keep.at-most', '4'],
    options: parseArgsOptions(optionFlags(options)),
    allowNegative: true,
  });
  expect(schema.parse(flagLayer(values, options).tree)).toEqual({
    web: { compress: false, config: { file: '' } },
    keep: { models: ['a*', 'b'], at_most: 4 },
  });
});

it('tells the command line of every flag', () => {
  expect(optionFlags().map(({ flag, default: value }) => `--${flag} ${value}`)).toEqual([
    '--config.file ',
    '--router http://localhost:8080',
    '--web.listen-address :10180',
    '--web.telemetry-path /metrics',
    '--web.config.file ',
    '--log.level info',
    '--log.format logfmt',
    '--follow.listing-interval 30s',
    '--follow.polling-interval 2s',
    '--follow.request-timeout 5s',
    '--follow.reconnect-min 500ms',
    '--follow.reconnect-max 30s',
    '--engine.interval 15s',
    '--engine.timeout 3s',
    '--engine.keep 5m',
    '--engine.max-series 1000',
    '--engine.publish together',
    '--engine.telemetry-path /metrics/engine',
    '--alerts.matchers action="unload"',
    '--alerts.router-label router',
    '--alerts.without-router all',
    '--alerts.when-busy wait',
    '--alerts.when-busy-limit wait',
    '--alerts.hold-limit 0s',
    '--alerts.allowed-routers *',
    '--memory.interval 5s',
    '--memory.timeout 3s',
    '--memory.nvidia-smi nvidia-smi',
    '--path.procfs /proc',
    '--path.sysfs /sys',
    '--lifecycle.reload-window 10m',
    '--unload.keep ',
    '--unload.when-busy wait',
    '--unload.busy-timeout 5m',
    '--unload.timeout 60s',
    '--unload.answer-within 2500ms',
    '--unload.cooldown 1m',
    '--unload.loop-count 3',
    '--unload.loop-pause-min 10m',
    '--unload.loop-pause-max 6h',
    '--hold.max 24h',
    '--hold.enforce false',
    '--policy.interval 5s',
    '--policy.hold-grace 10s',
    '--audit.file ',
    '--state.file ',
    '--state.interval 30s',
  ]);
  expect(optionFlags().find(({ flag }) => flag === 'follow.polling-interval')).toEqual({
    flag: 'follow.polling-interval',
    env: 'LLAMA_ROUTER_EXPORTER_FOLLOW_POLLING_INTERVAL',
    path: 'follow.polling_interval',
    description: 'Between full listings where there is no event stream.',
    default: '2s',
    type: 'duration, at least 200ms',
    boolean: false,
    multiple: false,
  });
});

it('takes the values of node:util parseArgs as they are', () => {
  const { values } = parseArgs({
    args: ['--router', 'http://a', '--router', 'http://b', '--log.level=debug', '--state.file', ''],
    options: parseArgsOptions(),
  });
  const config = loadConfig({ env: {}, flags: { ...values, output: 'json' } });
  expect(config.routers.map(({ name }) => name)).toEqual(['a:80', 'b:80']);
  expect(config.log.level).toBe('debug');
});

it('gives no two options the same flag or variable', () => {
  const names = optionFlags().flatMap(({ flag, env }) => [flag, env]);
  expect(new Set(names).size).toBe(names.length);
});

it('describes every option in a sentence', () => {
  for (const { path, description } of optionsOf())
    expect([path, description]).toEqual([path, expect.stringMatching(/^[A-Z].*\.$/)]);
});
