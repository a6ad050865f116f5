import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { loadConfig, type Sources } from '../../src/config/load.ts';

const VALID = join(import.meta.dirname, '..', 'fixtures', 'config', 'valid');
const FILE = join(VALID, 'several-routers.yml');

const load = (sources: Partial<Sources> = {}) => loadConfig({ env: {}, flags: {}, ...sources });

it('follows a router on this machine by default', () => {
  expect(load()).toMatchObject({
    routers: [{ name: 'localhost:8080', url: 'http://localhost:8080', keep: [], local: 'auto', labels: {} }],
    discovery: [],
    web: { listen_address: [{ port: 10180 }], telemetry_path: '/metrics', config_file: '' },
    auth: { tokens: [] },
  });
});

it('loads a file: default names are host:port, durations are in seconds, paths are relative to the file', () => {
  const { routers, web, log, follow, lifecycle, state } = load({ file: FILE });
  expect(routers.map(({ name, url }) => [name, url])).toEqual([
    ['gpu-box', 'http://gpu-box:8080'],
    ['attic.example:443', 'https://attic.example/llama'],
    ['[::1]:80', 'http://[::1]'],
  ]);
  expect(web).toEqual({
    listen_address: [{ host: '::1', port: 10180 }],
    telemetry_path: '/llama/metrics',
    max_series: 1_500_000,
    config_file: '',
  });
  expect(log).toEqual({ level: 'debug', format: 'logfmt' });
  expect(follow).toMatchObject({ listing_interval: 90, polling_interval: 0.5, request_timeout: 5 });
  expect(lifecycle).toEqual({ reload_window: 600 });
  expect(state).toEqual({ file: join(VALID, 'state.json'), interval: 30 });
});

it('the environment overrides the file, and flags override both, option by option', () => {
  const env = {
    LLAMA_ROUTER_EXPORTER_LOG_LEVEL: 'warn',
    LLAMA_ROUTER_EXPORTER_LOG_FORMAT: 'json',
    LLAMA_ROUTER_EXPORTER_FOLLOW_REQUEST_TIMEOUT: '10',
  };
  const { log, follow } = load({ file: FILE, env, flags: { 'log.level': 'error' } });
  expect(log).toEqual({ level: 'error', format: 'json' });
  expect(follow).toMatchObject({ listing_interval: 90, request_timeout: 10 });
});

it('a list is replaced as a whole', () => {
  const env = { LLAMA_SERVER_URL: 'http://a:8080, http://b:8080/llama,' };
  const urls = (sources: Partial<Sources>) => load(sources).routers.map(({ url }) => url);
  expect(urls({ file: FILE, env })).toEqual(['http://a:8080', 'http://b:8080/llama']);
  expect(urls({ file: FILE, env, flags: { router: ['http://c', 'http://d'] } })).toEqual([
    'http://c',
    'http://d',
  ]);
});

it('the file is named by argument, flag or variable, in this order', () => {
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

it('loads a list within a section', () => {
  expect(load({ file: join(VALID, 'alerts.yml') }).alerts).toEqual({
    matchers: [
      { label: 'action', operator: '=', value: 'unload' },
      { label: 'severity', operator: '=~', value: 'critical|page' },
    ],
    router_label: 'instance',
    routers: [{ value: 'gpu-box:*', router: 'gpu-box' }],
    without_router: 'ignore',
    when_busy: 'skip',
    when_busy_limit: 'force',
    hold_limit: 600,
    allowed_routers: ['gpu-*'],
  });
});

it('loads matchers from a list in the file or from a comma-separated variable', () => {
  const matchers = load({ env: { LLAMA_ROUTER_EXPORTER_ALERTS_MATCHERS: 'a="b,c", severity=~"x|y"' } }).alerts
    .matchers;
  expect(matchers).toEqual([
    { label: 'a', operator: '=', value: 'b,c' },
    { label: 'severity', operator: '=~', value: 'x|y' },
  ]);
});

it('the configuration is deeply frozen', () => {
  const thawed: string[] = [];
  const visit = (value: unknown, place: string) => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) thawed.push(place);
    for (const [key, inner] of Object.entries(value)) visit(inner, `${place}.${key}`);
  };
  visit(load({ file: FILE, env: { LLAMA_API_KEY: 'of-all' } }), 'config');
  visit(load({ file: join(VALID, 'alerts.yml') }), 'alerts');
  visit(load(), 'defaults');
  expect(thawed).toEqual([]);
});

it('has no default router with discovery, and gives discovered routers the key of the environment', () => {
  const { routers, discovery } = load({
    file: join(VALID, 'discovery.yml'),
    env: { LLAMA_API_KEY: 'key-of-the-rest' },
  });
  expect(routers).toEqual([]);
  expect(discovery.map(({ api_key, ...group }) => ({ ...group, api_key: api_key?.reveal() }))).toEqual([
    {
      name: 'lab',
      files: [join(VALID, 'lab/*.yml'), '/etc/exporter/more.json'],
      dns: [],
      dns_type: 'SRV',
      dns_servers: [],
      port: 8080,
      scheme: 'http',
      interval: 10,
      max_routers: 500,
      kind: 'auto',
      keep: ['bge-*'],
      api_key: 'written-in-its-own-file',
      local: 'auto',
      labels: { site: 'lab' },
    },
    {
      name: 'consul',
      files: [],
      dns: ['llama.service.consul'],
      dns_type: 'SRV',
      dns_servers: ['127.0.0.1:8600'],
      port: 8080,
      scheme: 'https',
      interval: 10,
      max_routers: 500,
      kind: 'auto',
      keep: [],
      api_key: 'key-of-the-rest',
      local: 'no',
      labels: {},
    },
  ]);
});

it('routers in a variable or a flag replace routers and discovery of the file', () => {
  const file = join(VALID, 'discovery.yml');
  const named = { routers: [expect.objectContaining({ name: 'here:80' })], discovery: [] };
  expect(load({ file, env: { LLAMA_SERVER_URL: 'http://here' } })).toMatchObject(named);
  expect(load({ file, flags: { router: ['http://here'] } })).toMatchObject(named);
});
