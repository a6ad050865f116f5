import { expect, it } from '@jest/globals';
import { silenceOf } from '../../src/backends/llama-server/silence.ts';
import { diagnoseSilence } from '../../src/doctor/diagnose-silence.ts';

const anError = (code: string, more: object = {}) =>
  Object.assign(new Error(`it failed: ${code}`), { code }, more);

it.each([
  ['ECONNREFUSED', 'refused'],
  ['ENOTFOUND', 'unknown_host'],
  ['EAI_AGAIN', 'no_name_server'],
  ['EHOSTUNREACH', 'no_route'],
  ['ENETUNREACH', 'no_route'],
  ['UND_ERR_CONNECT_TIMEOUT', 'no_connection'],
  ['ETIMEDOUT', 'no_connection'],
  ['ECONNRESET', 'closed'],
  ['UND_ERR_SOCKET', 'closed'],
  ['EPROTO', 'not_http'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'not_http'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
  ['CERT_HAS_EXPIRED', 'certificate'],
  ['EACCES', 'other'],
])('%s means %s', (code, why) => {
  expect(silenceOf(anError(code), false, false)).toMatchObject({ why, detail: code });
});

it('looks into what wraps the error', () => {
  const each = new AggregateError([anError('ECONNREFUSED'), anError('ETIMEDOUT')]);
  expect(silenceOf(new TypeError('fetch failed', { cause: each }), false, false).why).toBe('refused');
});

it('quotes what came instead of HTTP, which has no code', () => {
  const error = anError('', { name: 'HTTPParserError', code: undefined, data: 'SSH-2.0' });
  expect(silenceOf(error, true, false)).toMatchObject({ why: 'not_http', detail: 'SSH-2.0' });
});

it('tells a host that does not react from a server that does not answer', () => {
  expect(silenceOf(anError('ABORT_ERR'), false, true).why).toBe('no_connection');
  expect(silenceOf(anError('ABORT_ERR'), true, true).why).toBe('no_answer');
});

it.each([
  ['unknown_host', '', 'there is no host named gpu1', 'What this machine knows of it: getent hosts gpu1'],
  ['no_name_server', '', 'no name server answers, so gpu1 cannot be looked up', '/etc/resolv.conf'],
  ['no_route', 'EHOSTUNREACH', 'there is no way to gpu1:8080 from here (EHOSTUNREACH)', 'machine is on'],
  ['no_connection', '', 'gpu1:8080 does not react at all: no connection within 5 s', 'no firewall drops'],
  ['refused', '', 'gpu1:8080 refuses connections: nothing listens there', '--host 0.0.0.0'],
  ['certificate', 'CERT_HAS_EXPIRED', 'is not trusted (CERT_HAS_EXPIRED)', 'renew it'],
  ['certificate', 'ERR_TLS_CERT_ALTNAME_INVALID', 'is not trusted', 'the host name that the certificate'],
  ['certificate', 'SELF_SIGNED_CERT_IN_CHAIN', 'is not trusted', 'NODE_EXTRA_CA_CERTS=/path/to/ca.pem'],
  ['other', 'EACCES', 'gpu1:8080 cannot be talked to: EACCES', 'curl -v http://gpu1:8080/health'],
] as const)('says what to do about %s %s', (why, detail, says, remedy) => {
  const evidence = { name: 'gpu1:8080', url: 'http://gpu1:8080', hasKey: false, timeoutSeconds: 5 };
  const silence = { kind: 'silence', why, detail } as const;
  const finding = diagnoseSilence({ ...evidence, props: silence }, why, detail);
  expect(finding).toMatchObject({ check: 'connection', mark: 'fail' });
  expect(finding.says).toContain(says);
  expect(finding.remedy.join('\n')).toContain(remedy);
});

it('mentions the port that a URL without one means', () => {
  const url = 'https://gpu1/llama';
  const props = { kind: 'silence', why: 'refused', detail: '' } as const;
  const evidence = { name: 'gpu1:443', url, hasKey: false, timeoutSeconds: 5, props };
  expect(diagnoseSilence(evidence, 'refused', '').remedy).toContain(
    'The URL names no port: https takes 443.',
  );
});
