import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import type { Finding } from '../../src/doctor/finding.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { type Consultation, consult, createServers } from './consult.ts';

/** Set-ups that users reported, and what doctor finds in them: one row for each. */

const servers = createServers();
afterAll(servers.close);

type Handler = (path: string, headers: IncomingHttpHeaders) => Partial<Answer> | undefined;
interface Answer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

const ARGS = ['llama-server', '--metrics', '--port', '41000'];
const model = (status: string, args: readonly string[] = ARGS, more: object = {}) => ({
  id: 'qwen',
  status: { value: status, args, ...more },
});
const NOT_FOUND = { status: 404, body: { error: { code: 404, message: 'File Not Found' } } };
const DENIED = { status: 401, body: { error: { code: 401, message: 'Invalid API Key' } } };
const NGINX = { server: 'nginx' };

/** A router of a current build with one loaded model. */
const healthy: Handler = (path) => {
  if (path === '/props') return { body: { role: 'router', max_instances: 4, build_info: 'b11669-Debian' } };
  if (path === '/models' || path === '/v1/models') return { body: { data: [model('loaded')] } };
  if (path.startsWith('/metrics?model=qwen')) return { body: '' };
  if (path === '/models/sse') return { headers: { 'content-type': 'text/event-stream' }, body: '' };
  return NOT_FOUND;
};

/** The same with other answers to some paths. */
const router =
  (answers: Record<string, Partial<Answer>>): Handler =>
  (path, headers) =>
    answers[path.split('?')[0] ?? ''] ?? healthy(path, headers);
const listing = (...data: unknown[]) => router({ '/models': { body: { data } } });
const build = (build_info: string) => ({ body: { role: 'router', max_instances: 4, build_info } });

/** Answers only those who are let in. */
const guarded =
  (isAllowed: (headers: IncomingHttpHeaders) => boolean, refusal: Partial<Answer>): Handler =>
  (path, headers) =>
    isAllowed(headers) ? healthy(path, headers) : refusal;
const hasKey = (key: string) => guarded(({ authorization }) => authorization === `Bearer ${key}`, DENIED);
const hasPassword = guarded(
  ({ authorization }) => authorization === `Basic ${Buffer.from('alice:right').toString('base64')}`,
  { status: 401, headers: { ...NGINX, 'www-authenticate': 'Basic realm="gpu"' }, body: '' },
);

const listener =
  (handler: Handler): RequestListener =>
  ({ url = '', headers }, response) => {
    const answer = { status: 200, headers: {}, body: '', ...handler(url, headers) };
    response.writeHead(answer.status, {
      server: 'llama.cpp',
      'content-type': 'application/json',
      ...answer.headers,
    });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  };

const folder = scratchFolder();
const tls = (name: string) => readFileSync(`test/fixtures/tls/${name}.pem`);
const file = (name: string) => `test/fixtures/tls/${name}.pem`;

/** Where the server listens: on a port with or without TLS, or on a socket. */
async function listen(handler: Handler, how: 'http' | 'https' | 'socket', path: string): Promise<string> {
  if (how === 'socket') {
    await servers.open(createServer(listener(handler)), join(folder, 'llama.sock'));
    return join(folder, 'llama.sock');
  }
  if (how === 'http') return `http://127.0.0.1:${await servers.open(createServer(listener(handler)))}${path}`;
  const options = { cert: tls('server'), key: tls('server-key') };
  return `https://localhost:${await servers.open(createTlsServer(options, listener(handler)))}${path}`;
}

interface Case {
  server: Handler;
  given?: Consultation;
  how?: 'http' | 'https' | 'socket';
  /** Of the URL. */
  path?: string;
}

const IDLE_TIMER = [...ARGS, '--sleep-idle-seconds', '20'];
const BLIND = ['llama-server', '--no-slots', '--port', '41000'];

it.each<[string, Case, string[], RegExp]>([
  ['a router without problems', { server: healthy }, [], /^$/],
  [
    'a build that restarts idle timers, and a model that has one',
    {
      server: router({
        '/props': build('b10434-7e4c0a9'),
        '/models': { body: { data: [model('loaded', IDLE_TIMER)] } },
      }),
    },
    ['warn build idle_timers'],
    /so 1 model with --sleep-idle-seconds is not read.*Update llama.cpp to b10524/s,
  ],
  [
    'the same with engine.read: on',
    {
      server: router({
        '/props': build('b10434-7e4c0a9'),
        '/models': { body: { data: [model('loaded', IDLE_TIMER)] } },
      }),
      given: { flags: { 'engine.read': 'on' } },
    },
    ['warn build idle_timers'],
    /never fall asleep.*engine.read: auto/s,
  ],
  [
    'the same build without idle timers',
    { server: router({ '/props': build('b10434-7e4c0a9') }) },
    ['note build old_build'],
    /here no model has one/,
  ],
  [
    'a build whose number says nothing, and a model with an idle timer',
    {
      server: router({
        '/props': build('b1-7e4c0a9'),
        '/models': { body: { data: [model('loaded', IDLE_TIMER)] } },
      }),
    },
    ['warn build idle_timers'],
    /build b1-7e4c0a9 has no known number, and may be older/,
  ],
  [
    'a build without an event stream',
    { server: router({ '/props': build('b9093-7e4c0a9'), '/models/sse': NOT_FOUND }) },
    ['note build old_build', 'warn events no_event_stream'],
    /Update llama.cpp to b9692.*polled, every half second/s,
  ],
  [
    'a server with a single model',
    {
      server: router({
        '/props': { body: { default_generation_settings: {} } },
        '/models': { body: { data: [{ id: 'x' }] } },
      }),
    },
    ['fail router single_model'],
    /Start llama-server without -m/,
  ],
  [
    'a listing without any status',
    {
      server: router({
        '/props': { status: 404, headers: NGINX },
        '/models': { headers: NGINX, body: { data: [{ id: 'x', owned_by: 'vllm' }] } },
      }),
    },
    ['fail router other_server'],
    /vllm.* without their status.*needs llama.cpp in router mode/s,
  ],
  [
    'a listing in which some models have no status',
    { server: listing(model('loaded'), { id: 'x' }) },
    ['warn models unreadable_models'],
    /1 of 2 cannot be read: it has no status.*never unloaded/s,
  ],
  [
    'a router that takes a key which its models reject',
    { server: router({ '/metrics': DENIED }), given: { key: 'k1' } },
    ['fail metrics model_key'],
    /the router accepts the API key, but qwen rejects it.*--api-key-file/s,
  ],
  ['several keys in LLAMA_API_KEY', { server: hasKey('k1'), given: { key: 'k1,k2' } }, [], /^$/],
  [
    'a server with a base path that the URL lacks',
    { server: (path, headers) => (path.startsWith('/llama/') ? healthy(path.slice(6), headers) : NOT_FOUND) },
    ['fail router api_prefix'],
    /Is it started with --api-prefix\? Put that into the URL/,
  ],
  [
    'the same with the path in the URL',
    {
      server: (path, headers) => (path.startsWith('/llama/') ? healthy(path.slice(6), headers) : NOT_FOUND),
      path: '/llama',
    },
    [],
    /^$/,
  ],
  [
    'a router whose /metrics is not found',
    { server: router({ '/metrics': NOT_FOUND }) },
    ['warn metrics no_metrics'],
    /asked from \/slots/,
  ],
  [
    'a router with --no-slots and without --metrics',
    {
      server: router({
        '/metrics': { status: 501 },
        '/models': { body: { data: [model('loaded', BLIND)] } },
      }),
    },
    ['warn metrics activity_hidden'],
    /cannot be seen whether a model is busy.*--when-busy force/s,
  ],
  [
    'the same before a model is loaded',
    { server: listing(model('unloaded', BLIND)) },
    ['warn metrics activity_hidden'],
    /Restart llama-server with --metrics/,
  ],
  ['a Unix socket', { server: healthy, how: 'socket' }, [], /^$/],
  [
    'a proxy with Basic authentication',
    { server: hasPassword },
    ['fail key proxy_password'],
    /Set username and password_file/,
  ],
  [
    'the same with user and password',
    {
      server: hasPassword,
      given: { env: { LLAMA_SERVER_USERNAME: 'alice', LLAMA_SERVER_PASSWORD: 'right' } },
    },
    [],
    /^$/,
  ],
  [
    'a proxy that passes only /v1/',
    {
      server: (path, headers) =>
        path.startsWith('/v1/') ? healthy(path, headers) : { status: 404, headers: NGINX },
    },
    ['fail router only_v1'],
    /Let these paths pass as well: \/models, \/models\/sse/,
  ],
  [
    'a certificate of an unknown CA',
    { server: healthy, how: 'https' },
    ['fail connection certificate'],
    /ca_file of this router, or in LLAMA_SERVER_CA_FILE/,
  ],
  [
    'the same with its CA',
    { server: healthy, how: 'https', given: { env: { LLAMA_SERVER_CA_FILE: file('ca') } } },
    [],
    /^$/,
  ],
  [
    'a model that was marked as failed before',
    { server: listing(model('unloaded', ARGS, { failed: true, exit_code: 10 })) },
    ['note models failed_before'],
    /ended with an error before: qwen.*marks all three alike/s,
  ],
  [
    'models that were never loaded and are marked as failed',
    {
      server: listing(
        model('unloaded', ['llama-server', '--metrics', '--port', '0'], { failed: true, exit_code: 10 }),
      ),
    },
    ['warn build kills_at_once'],
    /every unload looks like a crash.*stop-timeout = 10/s,
  ],
  [
    'a keep pattern that matches no model',
    { server: healthy, given: { flags: { 'unload.keep': 'qwn*' } } },
    ['warn patterns unmatched'],
    /'qwn\*' in unload.keep.*Correct the spelling/s,
  ],
  ['a keep pattern that matches', { server: healthy, given: { flags: { 'unload.keep': 'qw*' } } }, [], /^$/],
])('%s', async (_, { server, given = {}, how = 'http', path = '' }, expected, texts) => {
  const url = await listen(server, how, path);
  const { text } = await consult([url], { ...given, flags: { ...given.flags, output: 'json' } });
  const { routers, exporter } = JSON.parse(text) as Record<string, { checks: Finding[] }> & {
    routers: { checks: Finding[] }[];
  };
  const checks = [...routers.flatMap((each) => each.checks), ...(exporter?.checks ?? [])];
  const found = checks.filter(
    ({ cause, check }) => cause !== 'fine' && !['state', 'audit', 'memory'].includes(check),
  );
  expect(found.map(({ mark, check, cause }) => `${mark} ${check} ${cause}`)).toEqual(expected);
  expect(found.flatMap(({ says, remedy }) => [says, ...remedy]).join('\n')).toMatch(texts);
});
