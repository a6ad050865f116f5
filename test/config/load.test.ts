import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { loadConfig, type Sources } from '../../src/config/load.ts';

const VALID = join(import.meta.dirname, '..', 'fixtures', 'config', 'valid');
const FILE = join(VALID, 'several-routers.yml');

const load = (sources: Partial<Sources> = {}) => loadConfig({ env: {}, flags: {}, ...sources });

it('every option has a default', () => {
  expect(load()).toEqual({
    routers: [{ name: 'localhost:8080', url: 'http://localhost:8080', keep: [], local: 'auto', labels: {} }],
    discovery: [],
    web: { listen_address: { port: 10180 }, telemetry_path: '/metrics', config_file: '' },
    auth: { tokens: [] },
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
    alerts: {
      matchers: [{ label: 'action', operator: '=', value: 'unload' }],
      router_label: 'router',
      routers: [],
      without_router: 'all',
      when_busy: 'wait',
      when_busy_limit: 'wait',
      hold_limit: 0,
      allowed_routers: ['*'],
    },
    memory: { interval: 5, timeout: 3, nvidia_smi: 'nvidia-smi' },
    path: { procfs: '/proc', sysfs: '/sys' },
    lifecycle: { reload_window: 600 },
    unload: {
      keep: [],
      when_busy: 'wait',
      busy_timeout: 300,
      timeout: 60,
      answer_within: 2.5,
      cooldown: 60,
      loop_count: 3,
      loop_pause_min: 600,
      loop_pause_max: 21_600,
    },
    hold: { max: 86_400, enforce: false },
    policy: { idle: [], interval: 5, hold_grace: 10 },
    audit: { file: '' },
    state: { file: '', interval: 30 },
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
    listen_address: { host: '::1', port: 10180 },
    telemetry_path: '/llama/metrics',
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
