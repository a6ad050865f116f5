import { describe, expect, it } from '@jest/globals';
import type { SilenceReason } from '../../src/backends/llama-server/fault.ts';
import type { Reply } from '../../src/backends/llama-server/probe.ts';
import { diagnoseRouter } from '../../src/doctor/diagnose.ts';
import { STATE_CAUSES } from '../../src/doctor/exporter-causes.ts';
import { findCause } from '../../src/doctor/finding.ts';
import type { RouterEvidence } from '../../src/doctor/router-evidence.ts';

const said = (status: number, body: unknown, more: Partial<Reply> = {}): Reply => ({
  ...{
    kind: 'said',
    status,
    contentType: 'application/json',
    server: 'llama.cpp',
    location: '',
    authenticate: '',
  },
  body: typeof body === 'string' ? body : JSON.stringify(body),
  ...(more as object),
});
const silent = (why: SilenceReason, detail = ''): Reply => ({ kind: 'silence', why, detail });
const listing = (...statuses: unknown[]) => {
  return said(200, { data: statuses.map((status, index) => ({ id: `m${index}`, status })) });
};
const stream = said(200, '', { contentType: 'text/event-stream' });

/** Evidence of a router without problems, except for what is given. */
const evidence = (given: Partial<RouterEvidence> = {}): RouterEvidence => ({
  ...{ name: 'gpu1', url: 'http://gpu1:8080', hasKey: false, timeoutSeconds: 5, peer: '10.0.0.1:8080' },
  props: said(200, { role: 'router', max_instances: 4 }),
  models: listing('unloaded'),
  events: stream,
  ...given,
});

/** `check mark cause` of every finding that is not fine. */
const found = (given: Partial<RouterEvidence>) =>
  diagnoseRouter(evidence(given))
    .findings.filter(({ cause }) => cause !== 'fine')
    .map(({ check, mark, cause }) => `${check} ${mark} ${cause}`);

const notFound = said(404, { error: { message: 'File Not Found' } });
const elsewhere = (status: number, body: unknown, more: Partial<Reply> = {}) =>
  said(status, body, { server: '', ...more });
const untold = 'metrics note metrics_untold';

describe('diagnoseRouter finds the cause of a router', () => {
  it.each<[string, Partial<RouterEvidence>, string[]]>([
    ['without problems, with no model loaded', {}, [untold]],
    ['without problems', { models: listing('loaded'), metrics: { model: 'm0', reply: said(200, '') } }, []],
    [
      'that is unloading its model',
      { metrics: { model: 'm0', reply: said(500, 'proxy error') } },
      ['metrics warn metrics_unanswered'],
    ],
    [
      'whose model is busy for long',
      { metrics: { model: 'm0', reply: silent('no_answer') } },
      ['metrics warn metrics_unanswered'],
    ],
    ['whose model was unloaded meanwhile', { metrics: { model: 'm0', reply: said(400, '') } }, [untold]],
    ['without event stream', { events: notFound }, [untold, 'events warn no_event_stream']],
    [
      'with a stream that a proxy buffers',
      { events: silent('no_answer') },
      [untold, 'events warn event_stream_silent'],
    ],
    ['with a broken stream', { events: said(500, '') }, [untold, 'events warn event_stream_error']],
    ['with a stream that requires a key', { events: said(401, '') }, ['key fail key_missing']],
    [
      'behind a proxy with passwords',
      { props: elsewhere(401, '', { authenticate: 'Basic realm="x"' }) },
      ['key fail proxy_password'],
    ],
    ['behind a proxy that forbids access', { props: elsewhere(403, '') }, ['key fail forbidden']],
    [
      'with unknown statuses',
      { models: listing('loaded', 'warming', 'warming') },
      ['models warn unknown_status', untold],
    ],
    ['with no statuses', { models: listing(undefined, 7) }, ['models fail unknown_shape', untold]],
    [
      'with a malformed model',
      { models: said(200, { data: [{ id: 'a', status: 'loaded' }, {}] }) },
      ['models warn malformed_models', untold],
    ],
    [
      'with malformed models only',
      { models: said(200, { data: [{}, 1, null] }) },
      ['models fail unknown_shape', untold],
    ],
    ['without models', { models: listing() }, ['models warn no_models', untold]],
    [
      'that closes the connection after its first answer',
      { models: silent('closed') },
      ['connection fail connection_closed'],
    ],
    [
      'that is a single-model server, loading',
      { props: said(503, { error: { message: 'Loading model' } }), models: notFound },
      ['router fail single_model'],
    ],
    [
      'that is a single-model server with a role',
      { props: said(200, { role: 'model' }), models: listing(undefined) },
      ['router fail single_model'],
    ],
    [
      'that is a single-model server behind a proxy',
      { props: elsewhere(200, { default_generation_settings: {} }), models: listing(undefined) },
      ['router fail single_model'],
    ],
    [
      'that is LM Studio',
      {
        props: elsewhere(200, { error: 'Unexpected endpoint' }),
        models: elsewhere(200, { error: 'Unexpected endpoint' }),
        openai: listing(undefined),
      },
      ['router fail openai_only'],
    ],
    [
      'that is an HTTPS server',
      {
        props: elsewhere(400, ''),
        models: elsewhere(400, 'Client sent an HTTP request to an HTTPS server.'),
      },
      ['router fail https_expected'],
    ],
    [
      'that answers 500',
      { props: elsewhere(500, 'oh'), models: elsewhere(500, 'oh') },
      ['router fail server_error'],
    ],
  ])('%s', (_, given, expected) => {
    expect(found(given)).toEqual(expected);
  });
});

describe('the limit of models in memory', () => {
  const limitOf = (props: object) =>
    diagnoseRouter(evidence({ props: said(200, { role: 'router', ...props }) }))
      .findings.filter(({ check }) => check === 'limit')
      .map(({ says }) => says);

  it('is shown with --no-models-autoload', () => {
    expect(limitOf({ max_instances: 1, models_autoload: false })).toEqual([
      'at most 1 model in memory (--models-max), loaded only on request',
    ]);
  });

  it('is absent when the router does not report it', () => {
    expect(limitOf({})).toEqual([]);
  });
});

describe('two routers are the same server', () => {
  const running = (port: number) =>
    said(200, { data: [{ id: 'a', status: { value: 'loaded', args: ['--port', String(port)] } }] });
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
  ['unknown_host', '', 'the host name gpu1 does not exist', 'getent hosts gpu1'],
  ['no_name_server', '', 'no name server answers, so gpu1 cannot be resolved', '/etc/resolv.conf'],
  ['no_route', 'EHOSTUNREACH', 'no route to gpu1:8080 (EHOSTUNREACH)', 'machine is up'],
  ['no_connection', '', 'gpu1:8080 does not respond: no connection within 5 s', 'no firewall drops'],
  ['refused', '', 'gpu1:8080 refuses connections: no program listens there', '--host 0.0.0.0'],
  ['certificate', 'CERT_HAS_EXPIRED', 'is not trusted (CERT_HAS_EXPIRED)', 'renew it'],
  ['certificate', 'ERR_TLS_CERT_ALTNAME_INVALID', 'is not trusted', 'use that name in the URL'],
  ['certificate', 'SELF_SIGNED_CERT_IN_CHAIN', 'is not trusted', 'NODE_EXTRA_CA_CERTS=/path/to/ca.pem'],
  ['other', 'EACCES', 'the connection to gpu1:8080 fails: EACCES', 'curl -v http://gpu1:8080/health'],
])('a connection that fails with %s %s has a remedy', (why, detail, says, remedy) => {
  const [finding, ...more] = diagnoseRouter(evidence({ props: silent(why, detail) })).findings;
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ check: 'connection', mark: 'fail' });
  expect(finding?.says).toContain(says);
  expect(finding?.remedy.join('\n')).toContain(remedy);
});

it('a refused connection to a URL without a port has the default port as a hint', () => {
  const given = { url: 'https://gpu1/llama', props: silent('refused') };
  const [finding] = diagnoseRouter(evidence(given)).findings;
  expect(finding?.remedy).toContain('The URL has no port: https uses 443.');
});

it.each([
  ['EACCES', 'Make /var/lib writable for the user of the service (user ID here: 1000).'],
  ['EROFS', '/var/lib is read-only: mount a writable volume there, or change state.file.'],
  ['ENOSPC', 'Free space in /var/lib: none is left.'],
  ['ENOTDIR', '/var/lib is a file, not a folder: correct state.file.'],
])('a state file that cannot be written because of %s has a remedy', (code, remedy) => {
  const file = { kind: 'unwritable', path: '/var/lib/s.json', folder: '/var/lib', code, uid: 1000 } as const;
  const finding = findCause('state', STATE_CAUSES, file);
  expect(finding).toMatchObject({ mark: 'fail', says: `/var/lib/s.json cannot be written (${code})` });
  expect(finding?.remedy[0]).toBe(remedy);
});
