import { expect, it } from '@jest/globals';
import { silenceOf } from '../../src/backends/fault.ts';

const anError = (code: string, more: object = {}) =>
  Object.assign(new Error(`it failed: ${code}`), { code }, more);

it.each([
  ['ECONNREFUSED', 'refused'],
  ['EPROTO', 'not_http'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'not_http'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
  ['CERT_HAS_EXPIRED', 'certificate'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client_certificate'],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'client_certificate'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'client_certificate'],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'other'],
  ['EMFILE', 'no_descriptor'],
])('%s means %s', (code, why) => {
  expect(silenceOf(anError(code), false, false)).toMatchObject({ why, detail: code });
});

it('finds the innermost error', () => {
  const each = new AggregateError([anError('ECONNREFUSED'), anError('ETIMEDOUT')]);
  expect(silenceOf(new TypeError('fetch failed', { cause: each }), false, false).why).toBe('refused');
});

it('quotes what came instead of HTTP', () => {
  const error = anError('', { name: 'HTTPParserError', code: undefined, data: 'SSH-2.0' });
  expect(silenceOf(error, true, false)).toMatchObject({ why: 'not_http', detail: 'SSH-2.0' });
});

it('distinguishes a host that does not respond from a server that does not answer', () => {
  expect(silenceOf(anError('ABORT_ERR'), false, true).why).toBe('no_connection');
  expect(silenceOf(anError('ABORT_ERR'), true, true).why).toBe('no_answer');
});
