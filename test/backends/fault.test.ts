import { describe, expect, it } from '@jest/globals';
import { faultOf, faultOfResponse } from '../../src/backends/fault.ts';

const URL = 'http://router:8080/models';
const response = (status: number, body = '', more: { server?: string; authenticate?: string } = {}) => {
  return { status, url: URL, server: '', location: '', contentType: '', authenticate: '', body, ...more };
};
const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

describe('what undici throws', () => {
  it.each<[unknown, string, string]>([
    [coded('ECONNREFUSED'), 'unreachable', `${URL} refuses connections: is the server running there?`],
    [
      coded('EMFILE', 'connect EMFILE 10.0.0.1:8080 - Local (undefined:undefined)'),
      'unreachable',
      `${URL} was not asked: all file descriptors of the exporter are in use: raise its limit (ulimit -n, LimitNOFILE)`,
    ],
    [coded('ENOTFOUND'), 'unreachable', `${URL}: the host name cannot be resolved`],
    [coded('EAI_AGAIN'), 'unreachable', `${URL}: the host name cannot be resolved`],
    [coded('ECONNRESET'), 'unreachable', `${URL} closed the connection before its answer was complete`],
    [coded('UND_ERR_SOCKET'), 'unreachable', `${URL} closed the connection before its answer was complete`],
    [
      coded('EHOSTUNREACH', 'connect EHOSTUNREACH 10.0.0.1:8080'),
      'unreachable',
      `${URL}: connect EHOSTUNREACH 10.0.0.1:8080`,
    ],
    [
      coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'),
      'unreachable',
      `${URL}: its CA is not trusted: set ca_file (self-signed certificate)`,
    ],
    [coded('CERT_HAS_EXPIRED', 'certificate has expired'), 'unreachable', `${URL}: certificate has expired`],
    [coded('ENOENT'), 'unreachable', `${URL}: the socket does not exist: is the server running there?`],
    [coded('EACCES'), 'unreachable', `${URL}: permission denied`],
    [coded('EPROTO'), 'unreachable', `${URL} does not speak TLS: is it http:// instead of https://?`],
    [
      coded('ERR_SSL_WRONG_VERSION_NUMBER'),
      'unreachable',
      `${URL} does not speak TLS: is it http:// instead of https://?`,
    ],
    // An abort is a DOMException with such a code.
    [Object.assign(new Error('aborted'), { code: 20 }), 'unreachable', `${URL}: aborted`],
    [coded('UND_ERR_CONNECT_TIMEOUT'), 'timeout', `${URL} did not answer in time`],
    [coded('ETIMEDOUT'), 'timeout', `${URL} did not answer in time`],
    [
      new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]),
      'unreachable',
      `${URL} refuses connections: is the server running there?`,
    ],
    [
      new TypeError('fetch failed', { cause: coded('ECONNREFUSED') }),
      'unreachable',
      `${URL} refuses connections: is the server running there?`,
    ],
    [new Error('odd', { cause: 'text' }), 'unreachable', `${URL}: odd`],
    ['text', 'unreachable', `${URL}: text`],
    [undefined, 'unreachable', `${URL}: undefined`],
  ])('%s is a fault: %s', (error, kind, message) => {
    expect(faultOf(error, URL)).toEqual({ kind, message });
  });

  it('is a timeout after the deadline, with any error', () => {
    expect(faultOf(coded('UND_ERR_ABORTED'), URL, { timedOutAfterMs: 5000 })).toEqual({
      kind: 'timeout',
      message: `${URL} did not answer within 5 s`,
    });
  });
});

it('an answer is quoted in one line, and cut off', () => {
  expect(faultOfResponse(response(500, `  a\n\tb\r\n${'c'.repeat(500)}`)).message).toBe(
    `${URL} answers 500: a b ${'c'.repeat(116)}`,
  );
});

describe('an answer says what to do', () => {
  const PASSWORD = 'answers 401: it requires a user and a password (username, password_file), or others';
  const PREFIX = 'not a llama-server in router mode. If it runs with --api-prefix, put that into the URL';
  const HOST = 'it does not accept this Host header: set host_header';
  it.each([
    ['to log in', response(401, '', { authenticate: 'Basic realm="x"' }), 'unauthorized', PASSWORD],
    ['about a prefix', response(404, '', { server: 'llama.cpp' }), 'not_a_router', `answers 404: ${PREFIX}`],
    ['about Host', response(403, '{"error":"Invalid Host header"}'), 'bad_answer', `answers 403: ${HOST}`],
    ['about Host by its status', response(421), 'bad_answer', `answers 421: ${HOST}`],
  ])('%s', (_, answer, kind, message) => {
    expect(faultOfResponse(answer)).toEqual({ kind, message: `${URL} ${message}` });
  });
});
