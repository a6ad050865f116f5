import { describe, expect, it } from '@jest/globals';
import type { Reply } from '../../src/backends/llama-server/probe.ts';
import { diagnoseRouter } from '../../src/doctor/diagnose.ts';
import { diagnoseState } from '../../src/doctor/diagnose-state.ts';
import type { RouterEvidence } from '../../src/doctor/evidence.ts';

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
const silent = (why: 'no_answer' | 'closed'): Reply => ({ kind: 'silence', why, detail: '' });
const listing = (...statuses: unknown[]) => {
  return said(200, { data: statuses.map((status, index) => ({ id: `m${index}`, status })) });
};
const stream = said(200, '', { contentType: 'text/event-stream' });

/** Of a router that is well, but for what is given. */
const evidence = (given: Partial<RouterEvidence> = {}): RouterEvidence => ({
  ...{ name: 'gpu1', url: 'http://gpu1:8080', hasKey: false, timeoutSeconds: 5, peer: '10.0.0.1:8080' },
  props: said(200, { role: 'router', max_instances: 4 }),
  models: listing('unloaded'),
  events: stream,
  ...given,
});

/** `check mark cause` of everything that is not fine. */
const found = (given: Partial<RouterEvidence>) =>
  diagnoseRouter(evidence(given))
    .findings.filter(({ cause }) => cause !== 'fine')
    .map(({ check, mark, cause }) => `${check} ${mark} ${cause}`);

const notFound = said(404, { error: { message: 'File Not Found' } });
const elsewhere = (status: number, body: unknown, more: Partial<Reply> = {}) =>
  said(status, body, { server: '', ...more });
const untold = 'metrics note metrics_untold';

describe('what a router is found to be', () => {
  it.each<[string, Partial<RouterEvidence>, string[]]>([
    ['well, but nothing is loaded', {}, [untold]],
    ['well', { models: listing('loaded'), metrics: { model: 'm0', reply: said(200, '') } }, []],
    ['without --metrics', { metrics: { model: 'm0', reply: said(501, '') } }, ['metrics warn metrics_off']],
    [
      'unloading its model',
      { metrics: { model: 'm0', reply: said(500, 'proxy error') } },
      ['metrics warn metrics_unanswered'],
    ],
    [
      'busy for long',
      { metrics: { model: 'm0', reply: silent('no_answer') } },
      ['metrics warn metrics_unanswered'],
    ],
    ['a model short', { metrics: { model: 'm0', reply: said(400, '') } }, [untold]],
    ['without event stream', { events: notFound }, [untold, 'events warn no_event_stream']],
    [
      'with a stream that is held back',
      { events: silent('no_answer') },
      [untold, 'events warn event_stream_silent'],
    ],
    ['with a broken stream', { events: said(500, '') }, [untold, 'events warn event_stream_error']],
    ['with a stream that wants a key', { events: said(401, '') }, ['key fail key_missing']],
    ['with a key that is wrong', { hasKey: true, props: said(401, '') }, ['key fail key_wrong']],
    [
      'behind a password',
      { props: elsewhere(401, '', { authenticate: 'Basic realm="x"' }) },
      ['key fail proxy_password'],
    ],
    ['behind a list of addresses', { props: elsewhere(403, '') }, ['key fail forbidden']],
    [
      'with statuses of its own',
      { models: listing('loaded', 'warming', 'warming') },
      ['models warn unknown_status', untold],
    ],
    ['with no statuses', { models: listing(undefined, 7) }, ['models fail unknown_shape', untold]],
    [
      'with nonsense among its models',
      { models: said(200, { data: [{ id: 'a', status: 'loaded' }, {}] }) },
      ['models warn malformed_models', untold],
    ],
    [
      'with nonsense for models',
      { models: said(200, { data: [{}, 1, null] }) },
      ['models fail unknown_shape', untold],
    ],
    ['without models', { models: listing() }, ['models warn no_models', untold]],
    ['with a listing that is none', { models: said(200, []) }, ['router fail unknown_shape']],
    ['silent after its first answer', { models: silent('closed') }, ['connection fail connection_closed']],
    [
      'a single-model server that loads',
      { props: said(503, { error: { message: 'Loading model' } }), models: notFound },
      ['router fail single_model'],
    ],
    [
      'a single-model server with a role',
      { props: said(200, { role: 'model' }), models: listing(undefined) },
      ['router fail single_model'],
    ],
    [
      'one behind a proxy',
      { props: elsewhere(200, { default_generation_settings: {} }), models: listing(undefined) },
      ['router fail single_model'],
    ],
    [
      'an old llama-server',
      { props: said(200, {}), models: notFound, openai: listing(undefined) },
      ['router fail no_router_build'],
    ],
    [
      'something for OpenAI clients',
      { props: elsewhere(404, ''), models: elsewhere(404, ''), openai: listing(undefined) },
      ['router fail openai_only'],
    ],
    [
      'LM Studio',
      {
        props: elsewhere(200, { error: 'Unexpected endpoint' }),
        models: elsewhere(200, { error: 'Unexpected endpoint' }),
        openai: listing(undefined),
      },
      ['router fail openai_only'],
    ],
    [
      'an HTTPS server',
      {
        props: elsewhere(400, ''),
        models: elsewhere(400, 'Client sent an HTTP request to an HTTPS server.'),
      },
      ['router fail https_expected'],
    ],
    ['broken', { props: elsewhere(500, 'oh'), models: elsewhere(500, 'oh') }, ['router fail server_error']],
  ])('%s', (_, given, expected) => {
    expect(found(given)).toEqual(expected);
  });
});

describe('the limit', () => {
  const limitOf = (props: object) =>
    diagnoseRouter(evidence({ props: said(200, { role: 'router', ...props }) }))
      .findings.filter(({ check }) => check === 'limit')
      .map(({ says }) => says);

  it('is told with how models are loaded', () => {
    expect(limitOf({ max_instances: 1, models_autoload: false })).toEqual([
      'at most 1 model in memory (--models-max), loaded only when told to',
    ]);
  });

  it('is not made up', () => {
    expect(limitOf({})).toEqual([]);
  });
});

describe('one server or two', () => {
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

it.each([
  ['EACCES', '/var/lib must be writable for the user that the service runs as (here: user ID 1000).'],
  ['EROFS', '/var/lib is read-only: mount a writable volume there, or choose another state.file.'],
  ['ENOSPC', 'No space is left in /var/lib: make some.'],
  ['ENOTDIR', '/var/lib is a file, not a folder: correct state.file.'],
])('a state file that cannot be written for %s says what to do', (code, remedy) => {
  const state = { kind: 'unwritable', path: '/var/lib/s.json', folder: '/var/lib', code, uid: 1000 } as const;
  const finding = diagnoseState(state);
  expect(finding).toMatchObject({ mark: 'fail', says: `/var/lib/s.json cannot be written (${code})` });
  expect(finding.remedy[0]).toBe(remedy);
});
