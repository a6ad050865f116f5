import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { loadConfig, type Sources } from '../../src/config/load.ts';

const VALID = join(import.meta.dirname, '..', 'fixtures', 'config', 'valid');
const FILE = join(VALID, 'several-routers.yml');

const load = (sources: Partial<Sources> = {}) => loadConfig({ env: {}, flags: {}, ...sources });

it('needs nothing: every option has a default', () => {
  expect(load()).toEqual({
    routers: [{ name: 'localhost:8080', url: 'http://localhost:8080', local: 'auto' }],
    web: { listen_address: { port: 10180 }, telemetry_path: '/metrics' },
    log: { level: 'info', format: 'logfmt' },
    follow: {
      listing_interval: 30,
      polling_interval: 2,
      request_timeout: 5,
      reconnect_min: 0.5,
      reconnect_max: 30,
    },
    engine: {
      interval: 15,
      timeout: 3,
      keep: 300,
      max_series: 1000,
      publish: 'together',
      telemetry_path: '/metrics/engine',
    },
    memory: { interval: 5, timeout: 3, nvidia_smi: 'nvidia-smi' },
    path: { procfs: '/proc', sysfs: '/sys' },
    lifecycle: { reload_window: 600 },
    state: { file: '', interval: 30 },
  });
});

it('loads a file: names by default host:port, durations in seconds, paths relative to the file', () => {
  const { routers, web, log, follow, lifecycle, state } = load({ file: FILE });
  expect(routers.map(({ name, url }) => [name, url])).toEqual([
    ['gpu-box', 'http://gpu-box:8080'],
    ['attic.example:443', 'https://attic.example/llama'],
    ['[::1]:80', 'http://[::1]'],
  ]);
  expect(web).toEqual({ listen_address: { host: '::1', port: 10180 }, telemetry_path: '/llama/metrics' });
  expect(log).toEqual({ level: 'debug', format: 'logfmt' });
  expect(follow).toMatchObject({ listing_interval: 90, polling_interval: 0.5, request_timeout: 5 });
  expect(lifecycle).toEqual({ reload_window: 600 });
  expect(state).toEqual({ file: join(VALID, 'state.json'), interval: 30 });
});

it('lets the environment win over the file and flags over both, option by option', () => {
  const env = {
    LLAMA_ROUTER_EXPORTER_LOG_LEVEL: 'warn',
    LLAMA_ROUTER_EXPORTER_LOG_FORMAT: 'json',
    LLAMA_ROUTER_EXPORTER_FOLLOW_REQUEST_TIMEOUT: '10',
  };
  const { log, follow } = load({ file: FILE, env, flags: { 'log.level': 'error' } });
  expect(log).toEqual({ level: 'error', format: 'json' });
  expect(follow).toMatchObject({ listing_interval: 90, request_timeout: 10 });
});

it('replaces the routers as a whole', () => {
  const env = { LLAMA_SERVER_URL: 'http://a:8080, http://b:8080/llama,' };
  const urls = (sources: Partial<Sources>) => load(sources).routers.map(({ url }) => url);
  expect(urls({ file: FILE, env })).toEqual(['http://a:8080', 'http://b:8080/llama']);
  expect(urls({ file: FILE, env, flags: { router: ['http://c', 'http://d'] } })).toEqual([
    'http://c',
    'http://d',
  ]);
});

it('finds the file by argument, flag or variable, in this order', () => {
  const env = { LLAMA_ROUTER_EXPORTER_CONFIG_FILE: '/not/there/by-variable.yml' };
  const flags = { 'config.file': '/not/there/by-flag.yml' };
  expect(() => load({ env })).toThrow('/not/there/by-variable.yml: does not exist: check the path');
  expect(() => load({ env, flags })).toThrow('/not/there/by-flag.yml: does not exist: check the path');
  expect(load({ file: FILE, env, flags }).log.level).toBe('debug');
});

it('ignores an empty variable, but not an empty flag', () => {
  expect(load({ file: FILE, env: { LLAMA_ROUTER_EXPORTER_STATE_FILE: '' } }).state.file).not.toBe('');
  expect(load({ file: FILE, flags: { 'state.file': '' } }).state.file).toBe('');
});

it('freezes what it loads, to the last leaf', () => {
  const thawed: string[] = [];
  const visit = (value: unknown, place: string) => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) thawed.push(place);
    for (const [key, inner] of Object.entries(value)) visit(inner, `${place}.${key}`);
  };
  visit(load({ file: FILE, env: { LLAMA_API_KEY: 'of-all' } }), 'config');
  visit(load(), 'defaults');
  expect(thawed).toEqual([]);
});
