import { afterEach, describe, expect, it } from '@jest/globals';
import type { Finding } from '../../src/doctor/finding.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { startSimulatedSwap, type TestSwapOptions } from '../support/simulator/test-swap.ts';
import { type Consultation, consult } from './consult.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const MODELS = [{ id: 'qwen', ttlSeconds: 600 }, { id: 'gemma' }, { id: 'embed', unlisted: true }].map(
  (model) => ({ ...model, loadSeconds: 0, tokensPerSecond: 10_000 }),
);

async function aSwap(options: TestSwapOptions = {}, loaded?: string) {
  const swap = await startSimulatedSwap({ models: MODELS, version: 'v250-5-g0bdb3720', ...options });
  closers.push(() => swap.stop());
  if (loaded !== undefined) await swap.request(loaded, { tokens: 1 });
  return swap;
}

/** The findings about the server itself. Its models' ports are on this machine. */
async function checksOf(url: string, given: Consultation = {}): Promise<Finding[]> {
  const flags = { 'path.procfs': '/nowhere', ...given.flags, output: 'json' };
  const { text } = await consult([url], { local: 'auto', ...given, flags });
  return JSON.parse(text).routers[0].checks;
}

const found = (checks: readonly Finding[]) =>
  checks.filter(({ cause }) => cause !== 'fine').map(({ mark, check, cause }) => `${mark} ${check} ${cause}`);
const textOf = (checks: readonly Finding[]) =>
  checks.flatMap(({ says, remedy }) => [says, ...remedy]).join('\n');

describe('a llama-swap without problems', () => {
  it('has a line for each check', async () => {
    const { url } = await aSwap({}, 'qwen');
    const checks = await checksOf(url);
    expect(checks.map(({ mark, check, says }) => `${mark} ${check}: ${says}`)).toEqual([
      'ok connection: 127.0.0.1:PORT answers',
      'ok router: llama-swap v250-5-g0bdb3720',
      'ok events: the event stream is open: changes and requests under way are seen at once',
      'ok models: 3 models: 2 unloaded, 1 loaded; unlisted: embed; unloaded by llama-swap when idle: qwen after 600 s',
      'ok metrics: metrics are read from the port of each model: qwen',
    ]);
  });

  it('receives only reads, and none that it passes on to a model', async () => {
    const swap = await aSwap({}, 'qwen');
    await checksOf(swap.url);
    expect(swap.violations).toEqual([]);
    expect(new Set(swap.requests)).toEqual(
      new Set(['GET /props', 'GET /api/version', 'GET /v1/models', 'GET /api/events', 'GET /running']),
    );
  });

  it('may name models in patterns that only its event stream lists', async () => {
    const { url } = await aSwap();
    const { text } = await consult([url], { flags: { 'unload.keep': 'embed' } });
    expect(text).toContain('every glob of a model in the configuration matches one');
  });
});

/** What the doctor finds: mark, check and cause of each finding that is not fine, and words of its texts. */
interface Case {
  swap?: TestSwapOptions;
  loaded?: string;
  given?: Consultation;
}

const KEYS = { apiKeys: ['right'] };
const user = (password: string, key = '') => ({
  env: { LLAMA_SERVER_USERNAME: 'any', LLAMA_SERVER_PASSWORD: password, ...(key && { LLAMA_API_KEY: key }) },
});
const onPort = (proxy: string) => MODELS.map((model) => ({ ...model, proxy }));
const UNREAD = 'note metrics metrics_unread';

it.each<[string, Case, string[], RegExp]>([
  ['without a loaded model', {}, [UNREAD], /none is loaded, and doctor loads none/],
  [
    'a key that is missing',
    { swap: KEYS },
    ['fail key key_missing'],
    /Set LLAMA_API_KEY.*apiKeys in the configuration/s,
  ],
  [
    'a wrong key',
    { swap: KEYS, given: { key: 'wrong' } },
    ['fail key key_wrong'],
    /rejects the configured API key/,
  ],
  ['the right key', { swap: KEYS, given: { key: 'right' } }, [UNREAD], /the API key is accepted/],
  ['the key as a password', { swap: KEYS, given: user('right') }, [UNREAD], /llama-swap v250/],
  [
    'a wrong password',
    { swap: KEYS, given: user('wrong') },
    ['fail key key_missing'],
    /put the key into password_file.*takes it as the password of any user/s,
  ],
  [
    'a user next to the key',
    { swap: KEYS, given: user('x', 'right') },
    ['fail key key_wrong'],
    /reads the key from Authorization first/,
  ],
  [
    'an old version',
    { swap: { version: 'v239' } },
    ['fail router old_version'],
    /this is llama-swap v239, but the exporter needs v240 or newer.*releases/s,
  ],
  [
    'a program that was not built for a release',
    { swap: { version: '0' } },
    ['note router version_unknown', UNREAD],
    /unknown version \(0\)/,
  ],
  [
    'a proxy that passes only /v1/',
    { swap: { missing: ['/props', '/models', '/api/version', '/running', '/api/events'] } },
    ['fail router no_version'],
    /api\/version answers 404.*pass these paths: \/api\/version, \/running/s,
  ],
  [
    'a proxy that hides /running',
    { swap: { missing: ['/running'] } },
    ['fail router no_listing'],
    /models cannot be listed: http.*\/running answers 404.*pass these paths/s,
  ],
  [
    'a proxy that hides the event stream',
    { swap: { missing: ['/api/events'] } },
    ['warn events no_event_stream', UNREAD],
    /is not found.*unknown whether models are busy.*--when-busy force/s,
  ],
  [
    'the kind of another server',
    { given: { kind: 'llama-server' } },
    ['fail router kind_wrong'],
    /this is a llama-swap, but the configuration says kind: llama-server.*set kind: llama-swap/s,
  ],
  [
    'no models',
    { swap: { models: [] } },
    ['warn models no_models', UNREAD],
    /under models. Models of its peers/,
  ],
  [
    'a llama-server without --metrics',
    { swap: { models: MODELS.map((model) => ({ ...model, metrics: false })) }, loaded: 'qwen' },
    ['warn metrics no_metrics'],
    /no metrics of qwen: http:.* answers 501.*Add --metrics to the cmd/s,
  ],
  [
    'another machine',
    { loaded: 'qwen', given: { local: 'no' } },
    ['warn metrics ports_elsewhere'],
    /of the machine of the llama-swap.*network namespace.*local: yes/s,
  ],
  [
    'a port that cannot be reached',
    { swap: { models: onPort('http://127.0.0.1:1') }, loaded: 'qwen' },
    ['warn metrics ports_unreachable'],
    /no metrics of qwen: http:\/\/127.0.0.1:1\/metrics refuses connections.*into one network/s,
  ],
  [
    'metrics that are not read',
    { loaded: 'qwen', given: { flags: { 'engine.read': 'off' } } },
    [UNREAD],
    /engine.read is off/,
  ],
])('%s', async (_, { swap, loaded, given }, expected, texts) => {
  const { url } = await aSwap(swap, loaded);
  const checks = await checksOf(url, given);
  expect(found(checks)).toEqual(expected);
  expect(textOf(checks)).toMatch(texts);
});

it('an event stream that shows nothing in time is one that a proxy holds back', async () => {
  const swap = await aSwap();
  swap.faults.next({ kind: 'hang', on: '/api/events' });
  const checks = await checksOf(swap.url, { flags: { 'follow.request-timeout': '200ms' } });
  expect(found(checks)).toEqual(['warn events no_event_stream', UNREAD]);
  expect(textOf(checks)).toContain('shows no models within 0.2 s');
});

it('a router that is configured as a llama-swap is found', async () => {
  const router = createTestRouter({ models: [{ id: 'qwen' }] });
  closers.push(() => router.stop());
  await router.listen();
  const checks = await checksOf(router.url, { kind: 'llama-swap' });
  expect(found(checks)).toEqual(['fail router kind_wrong']);
  expect(textOf(checks)).toContain('this is a llama-server, but the configuration says kind: llama-swap');
});
