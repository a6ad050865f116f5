import { describe, expect, it } from '@jest/globals';
import type { SilenceReason } from '../../src/backends/fault.ts';
import type { Reply } from '../../src/backends/probe.ts';
import { diagnoseRouter } from '../../src/doctor/diagnose.ts';
import { repair } from '../../src/doctor/files.ts';
import type { RouterEvidence } from '../../src/doctor/router-evidence.ts';
import { Secret } from '../../src/lib/secret.ts';

const said = (status: number, body: unknown, more: Partial<Reply> = {}): Reply => ({
  ...{ kind: 'said', status, contentType: 'application/json', server: 'llama.cpp' },
  ...{ location: '', authenticate: '' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
  ...(more as object),
});
const silent = (why: SilenceReason, detail = ''): Reply => ({ kind: 'silence', why, detail });
const data = (...models: unknown[]) => said(200, { data: models });
const listing = (...statuses: unknown[]) =>
  data(...statuses.map((status, index) => ({ id: `m${index}`, status })));
const stream = said(200, '', { contentType: 'text/event-stream' });

/** Evidence of a router without problems, except for what is given. */
const evidence = (given: Partial<RouterEvidence> = {}): RouterEvidence => ({
  ...{
    name: 'gpu1',
    url: 'http://gpu1:8080',
    kind: 'auto',
    timeoutSeconds: 5,
    readMode: 'auto',
    peer: '10.0.0.1:8080',
  },
  props: said(200, { role: 'router', max_instances: 4, build_info: 'b11669-Debian' }),
  models: listing('unloaded'),
  events: stream,
  ...given,
});

/** `check mark cause` of every finding that is not fine. */
const found = (given: Partial<RouterEvidence>) =>
  diagnoseRouter(evidence(given))
    .findings.filter(({ cause }) => cause !== 'fine')
    .map(({ check, mark, cause }) => `${check} ${mark} ${cause}`);

const elsewhere = (status: number, body: unknown, more: Partial<Reply> = {}) =>
  said(status, body, { server: '', ...more });
const nginx = (status: number) => elsewhere(status, '', { server: 'nginx' });
const NOT_FOUND = { error: { message: 'File Not Found' } };
const notFound = said(404, NOT_FOUND);
const INVALID_KEY = said(401, { error: { message: 'Invalid API Key' } });
const BASIC = elsewhere(401, '', { authenticate: 'Basic realm="x"' });
const api_key = new Secret('k');
/** The same reply to both of the first requests. */
const both = (reply: Reply) => ({ props: reply, models: reply });
/** The reply of a loaded model to a read of its metrics. */
const metrics = (reply: Reply) => ({ models: listing('loaded'), metrics: { model: 'm0', reply } });
const preset = (id: string, ...args: string[]) => ({
  id,
  source: 'preset',
  status: { value: 'unloaded', args },
});
const PRESETS = [preset('stuck', '--ctx-size', '512'), preset('hub', '--hf-repo', 'a/b')];
const UNTOLD = 'metrics note metrics_unread';

describe('diagnoseRouter finds the cause of a router', () => {
  it.each<[string, Partial<RouterEvidence>, ...string[]]>([
    ['without problems, with no model loaded', {}, UNTOLD],
    ['without problems', metrics(said(200, ''))],
    ['that is unloading its model', metrics(said(500, 'proxy error')), 'metrics warn metrics_unanswered'],
    ['whose model is busy for long', metrics(silent('no_answer')), 'metrics warn metrics_unanswered'],
    ['whose model was unloaded meanwhile', metrics(said(400, '')), 'metrics warn metrics_unanswered'],
    [
      'with a preset that names no model',
      { models: data(...PRESETS) },
      'models warn preset_without_model',
      UNTOLD,
    ],
    ['without event stream', { events: notFound }, 'events warn no_event_stream', UNTOLD],
    [
      'with a stream that a proxy buffers',
      { events: silent('no_answer') },
      'events warn no_event_stream',
      UNTOLD,
    ],
    ['with a stream that requires a key', { events: said(401, '') }, 'key fail key_missing'],
    ['behind a proxy with passwords', { props: BASIC }, 'key fail proxy_password'],
    [
      'behind a proxy that rejects the password',
      { username: 'alice', props: BASIC },
      'key fail proxy_password',
    ],
    [
      'behind a proxy with another login',
      { props: elsewhere(401, '', { authenticate: 'Negotiate' }) },
      'key fail proxy_refuses',
    ],
    [
      'behind a proxy that passes on its own credentials',
      { username: 'alice', api_key, props: INVALID_KEY },
      'key fail key_wrong',
    ],
    ['whose model rejects its key', { api_key, ...metrics(said(401, '')) }, 'metrics fail model_key'],
    ['whose model alone requires a key', metrics(said(401, '')), 'key fail key_missing'],
    ['behind a proxy that does not pass its metrics', metrics(nginx(404)), 'metrics warn no_metrics'],
    ['with a prefix', both(notFound), 'router fail api_prefix'],
    ['with a prefix behind a proxy', both(elsewhere(404, NOT_FOUND)), 'router fail api_prefix'],
    [
      'behind a proxy that passes only /v1/',
      { ...both(nginx(404)), openai: listing('loaded') },
      'router fail only_v1',
    ],
    [
      'behind a proxy that forbids all but /v1/',
      { ...both(nginx(403)), openai: listing('loaded') },
      'router fail only_v1',
    ],
    [
      'behind a proxy that passes only some paths',
      { events: nginx(404) },
      'events warn no_event_stream',
      UNTOLD,
    ],
    [
      'that says that it refuses the Host',
      { props: said(403, 'Invalid Host header') },
      'connection fail host_refused',
    ],
    [
      'that answers 400 except for localhost',
      { props: said(400, ''), asLocalhost: said(200, { role: 'router' }) },
      'connection fail host_refused',
    ],
    [
      'that forbids another Host as well',
      { props: elsewhere(403, ''), asLocalhost: elsewhere(403, '') },
      'key fail proxy_refuses',
    ],
    ['behind a proxy that forbids access', { props: elsewhere(403, '') }, 'key fail proxy_refuses'],
    [
      'with unknown statuses',
      { models: listing('loaded', 'warming', 'warming') },
      'models warn unreadable_models',
      UNTOLD,
    ],
    ['with no statuses', { models: listing(undefined, 7) }, 'models fail unreadable_models'],
    ['with names in place of ids', { models: data({ name: 'a' }) }, 'models fail unreadable_models'],
    [
      'with a malformed model',
      { models: data({ id: 'a', status: 'loaded' }, {}) },
      'models warn unreadable_models',
      UNTOLD,
    ],
    ['with malformed models only', { models: data({}, 1, null) }, 'models fail unreadable_models'],
    ['without models', { models: listing() }, 'models warn no_models', UNTOLD],
    [
      'that closes the connection after its first answer',
      { models: silent('closed') },
      'connection fail not_http',
    ],
    [
      'that is a single-model server, loading',
      { props: said(503, { error: { message: 'Loading model' } }), models: notFound },
      'router fail single_model',
    ],
    [
      'that is a single-model server with a role',
      { props: said(200, { role: 'model' }), models: listing(undefined) },
      'router fail single_model',
    ],
    [
      'that is a single-model server behind a proxy',
      { props: elsewhere(200, { default_generation_settings: {} }), models: listing(undefined) },
      'router fail single_model',
    ],
    [
      'that is LM Studio',
      { ...both(elsewhere(200, { error: 'Unexpected endpoint' })), openai: listing(undefined) },
      'router fail other_server',
    ],
    [
      'that is an HTTPS server',
      {
        props: elsewhere(400, ''),
        models: elsewhere(400, 'Client sent an HTTP request to an HTTPS server.'),
      },
      'connection fail wrong_scheme',
    ],
    ['that answers 500', both(elsewhere(500, 'oh')), 'router fail server_error'],
  ])('%s', (_, given, ...expected) => {
    expect(found(given)).toEqual(expected);
  });
});

it.each([
  [{}, 'llama.cpp in router mode'],
  [{ max_instances: 0 }, 'llama.cpp in router mode, any number of models in memory (--models-max)'],
  [
    { max_instances: 1, models_autoload: false },
    'llama.cpp in router mode, at most 1 model in memory (--models-max), loaded only on request',
  ],
])('a router with the properties %j is described', (props, says) => {
  const { findings } = diagnoseRouter(evidence({ props: said(200, { role: 'router', ...props }) }));
  expect(findings.find(({ check }) => check === 'router')?.says).toBe(says);
});

describe('two routers are the same server', () => {
  const running = (port: number) =>
    data({ id: 'a', status: { value: 'loaded', args: ['--port', String(port)] } });
  const isTwin = (one: Partial<RouterEvidence>, other: Partial<RouterEvidence>) =>
    diagnoseRouter(evidence(one), [evidence(other)]).findings.some(({ cause }) => cause === 'same_server');

  it.each<[string, Partial<RouterEvidence>, Partial<RouterEvidence>, boolean]>([
    [
      'the same process at two addresses',
      { models: running(4711), peer: '10.0.0.1:80' },
      { models: running(4711) },
      true,
    ],
    ['two processes behind one proxy', { models: running(4711) }, { models: running(4712) }, false],
    ['nothing ever loaded, one address', {}, {}, true],
    ['nothing ever loaded, two addresses', { peer: '10.0.0.2:8080' }, {}, false],
    ['nothing ever loaded, two paths', { url: 'http://gpu1:8080/b' }, {}, false],
    ['loopback by two names', { peer: '[::1]:8080' }, { peer: '127.0.0.1:8080' }, true],
    ['other models', { models: listing('unloaded', 'unloaded') }, {}, false],
  ])('%s', (_, one, other, same) => {
    expect(isTwin(one, other)).toBe(same);
  });
});

it.each<[SilenceReason, string, string, string]>([
  ['unknown_host', '', 'the host name gpu1 cannot be resolved', 'getent hosts gpu1'],
  ['no_name_server', '', 'the host name gpu1 cannot be resolved', '/etc/resolv.conf'],
  ['no_route', 'EHOSTUNREACH', 'no connection to gpu1:8080: EHOSTUNREACH', 'machine is up'],
  ['no_connection', '', 'no connection to gpu1:8080: no response within 5 s', 'no firewall or sandbox'],
  ['refused', '', 'gpu1:8080 refuses connections: no program listens there', '--host 0.0.0.0'],
  ['certificate', 'CERT_HAS_EXPIRED', 'is not trusted (CERT_HAS_EXPIRED)', 'renew it'],
  ['certificate', 'CERT_NOT_YET_VALID', 'is not trusted (CERT_NOT_YET_VALID)', 'clocks'],
  ['client_certificate', 'ALERT', 'gpu1:8080 requires a client certificate (ALERT)', 'without'],
  ['certificate', 'ERR_TLS_CERT_ALTNAME_INVALID', 'is not trusted', 'use that name in the URL'],
  [
    'certificate',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'is not trusted',
    'Name a file with its CA in ca_file of this router',
  ],
  ['other', 'EACCES', 'the connection to gpu1:8080 fails: EACCES', 'curl -v http://gpu1:8080/health'],
])('a connection that fails with %s %s has a remedy', (why, detail, says, remedy) => {
  const [finding, ...more] = diagnoseRouter(evidence({ props: silent(why, detail) })).findings;
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ check: 'connection', mark: 'fail' });
  expect(finding?.says).toContain(says);
  expect(finding?.remedy.join('\n')).toContain(remedy);
});

it.each<[SilenceReason, string, string]>([
  ['no_socket', 'no program listens on the socket /run/llama.sock', '--host /run/llama.sock'],
  ['refused', 'no program listens on the socket /run/llama.sock', 'first delete the socket that it left'],
  ['no_permission', 'may not connect to /run/llama.sock', 'namei -l /run/llama.sock'],
  ['no_answer', '/run/llama.sock accepts connections but does not answer within 5 s', 'hangs'],
  ['other', 'fails: CODE', "curl -v --unix-socket '/run/llama.sock' http://localhost/llama/health"],
])('a socket that fails with %s has a remedy', (why, says, remedy) => {
  const given = { url: 'unix:/run/llama.sock:/llama', props: silent(why, 'CODE') };
  const [finding] = diagnoseRouter(evidence(given)).findings;
  expect(finding?.says).toContain(says);
  expect(finding?.remedy.join('\n')).toContain(remedy);
});

it('a certificate of another CA has the configured file in its remedy', () => {
  const given = { ca_file: '/etc/ca.pem', props: silent('certificate', 'SELF_SIGNED_CERT_IN_CHAIN') };
  const [finding] = diagnoseRouter(evidence(given)).findings;
  expect(finding?.remedy[0]).toBe(
    'Put its CA into /etc/ca.pem (ca_file): now the certificate is signed by another one.',
  );
});

it('a prefix has a remedy with and without one in the URL', () => {
  const remedyOf = (url: string) =>
    diagnoseRouter(evidence({ url, props: notFound, models: notFound })).findings.at(-1)?.remedy[0];
  expect(['http://gpu1:8080', 'unix:/l.sock', 'http://gpu1:8080/llama'].map(remedyOf)).toEqual([
    'Is it started with --api-prefix? Put that into the URL: http://gpu1:8080/PREFIX',
    'Is it started with --api-prefix? Put that into the URL: unix:/l.sock:/PREFIX',
    'Correct /llama in the URL: it must be the --api-prefix of llama-server, if that has one.',
  ]);
});

it('a refused connection to a URL without a port has the default port as a hint', () => {
  const given = { url: 'https://gpu1/llama', props: silent('refused') };
  const [finding] = diagnoseRouter(evidence(given)).findings;
  expect(finding?.remedy).toContain('The URL has no port: https uses 443.');
});

it.each([
  ['EACCES', 'Make /var/lib and the file in it writable for the user of the service'],
  ['EROFS', '/var/lib is read-only: mount a writable volume there, or change state.file.'],
  ['ENOSPC', 'Free space in /var/lib: none is left.'],
  ['ENOTDIR', '/var/lib is a file, not a folder: correct state.file.'],
])('a state file that cannot be written because of %s has a remedy', (code, remedy) => {
  expect(repair(code, '/var/lib', 'state.file')).toContain(remedy);
});
