import { describe, expect, it } from '@jest/globals';
import { faultOf, faultOfStatus } from '../../../src/backends/llama-server/fault.ts';

const URL = 'http://router:8080/models';
const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

describe('what undici throws', () => {
  it.each<[unknown, string, string]>([
    [coded('ECONNREFUSED'), 'unreachable', `${URL} refuses connections: is llama-server running there?`],
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
      `${URL}: self-signed certificate`,
    ],
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
      `${URL} refuses connections: is llama-server running there?`,
    ],
    [
      new TypeError('fetch failed', { cause: coded('ECONNREFUSED') }),
      'unreachable',
      `${URL} refuses connections: is llama-server running there?`,
    ],
    [new Error('odd', { cause: 'text' }), 'unreachable', `${URL}: odd`],
    ['text', 'unreachable', `${URL}: text`],
    [undefined, 'unreachable', `${URL}: undefined`],
  ])('%s is a fault: %s', (error, kind, message) => {
    expect(faultOf(error, URL, undefined)).toEqual({ kind, message });
  });

  it('is a timeout after the deadline, with any error', () => {
    expect(faultOf(coded('UND_ERR_ABORTED'), URL, 5000)).toEqual({
      kind: 'timeout',
      message: `${URL} did not answer within 5 s`,
    });
  });
});

it('an answer is quoted in one line, and cut off', () => {
  expect(faultOfStatus(500, URL, `  a\n\tb\r\n${'c'.repeat(500)}`).message).toBe(
    `${URL} answers 500: a b ${'c'.repeat(116)}`,
  );
});
