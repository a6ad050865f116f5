import { isNativeError } from 'node:util/types';
import type { Fault } from '../models/feed.ts';

/** Turns what undici throws into a fault that tells a person what to look at. */
export function faultOf(error: unknown, url: string, timedOutAfterMs: number | undefined): Fault {
  if (timedOutAfterMs !== undefined) {
    return { kind: 'timeout', message: `${url} did not answer within ${timedOutAfterMs / 1000} s` };
  }
  const cause = rootCause(error);
  const code = 'code' in cause ? String(cause.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return { kind: 'unreachable', message: `${url} refuses connections: is llama-server running there?` };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { kind: 'unreachable', message: `${url}: the host name cannot be resolved` };
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
    case 'EPIPE':
      return { kind: 'unreachable', message: `${url} closed the connection before its answer was complete` };
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return { kind: 'timeout', message: `${url} did not answer in time` };
    default:
      if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
        return {
          kind: 'unreachable',
          message: `${url} does not speak TLS: is it http:// instead of https://?`,
        };
      }
      // By name: its code (HPE_…) is not always there.
      if (cause.name === 'HTTPParserError') {
        return { kind: 'not_a_router', message: `${url} does not speak HTTP` };
      }
      return { kind: 'unreachable', message: `${url}: ${cause.message}` };
  }
}

/** The fault of an answer whose status is not what was hoped for. */
export function faultOfStatus(status: number, url: string, body: string): Fault {
  if (status === 401 || status === 403) {
    return {
      kind: 'unauthorized',
      message: `${url} answers ${status}: it wants an API key (api_key), or another one`,
    };
  }
  if (status === 404 || status === 405) {
    return {
      kind: 'not_a_router',
      message: `${url} answers ${status}: this is no llama-server in router mode`,
    };
  }
  const excerpt = body.replace(/\s+/g, ' ').trim().slice(0, 120);
  return { kind: 'bad_answer', message: `${url} answers ${status}${excerpt && `: ${excerpt}`}` };
}

/** Of several attempts the first; `instanceof` would miss errors of another realm. */
function rootCause(error: unknown): Error {
  if (!isNativeError(error)) return new Error(String(error));
  const [first] = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  const cause: unknown = first ?? error.cause;
  return isNativeError(cause) ? rootCause(cause) : error;
}
