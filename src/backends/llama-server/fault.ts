import type { RouterFault } from '../../models/feed.ts';
import { silenceOf } from './silence.ts';

/** Turns what undici throws into a fault that tells a person what to look at. */
export function faultOf(error: unknown, url: string, timedOutAfterMs: number | undefined): RouterFault {
  if (timedOutAfterMs !== undefined) {
    return { kind: 'timeout', message: `${url} did not answer within ${timedOutAfterMs / 1000} s` };
  }
  const { why, detail, message } = silenceOf(error, true, false);
  switch (why) {
    case 'refused':
      return { kind: 'unreachable', message: `${url} refuses connections: is llama-server running there?` };
    case 'unknown_host':
    case 'no_name_server':
      return { kind: 'unreachable', message: `${url}: the host name cannot be resolved` };
    case 'closed':
      return { kind: 'unreachable', message: `${url} closed the connection before its answer was complete` };
    case 'no_connection':
    case 'no_answer':
      return { kind: 'timeout', message: `${url} did not answer in time` };
    case 'not_http':
      return /^(EPROTO$|ERR_SSL_)/.test(detail)
        ? { kind: 'unreachable', message: `${url} does not speak TLS: is it http:// instead of https://?` }
        : { kind: 'not_a_router', message: `${url} does not speak HTTP` };
    default:
      return { kind: 'unreachable', message: `${url}: ${message}` };
  }
}

/** The fault of an answer whose status is not what was hoped for. */
export function faultOfStatus(status: number, url: string, body: string): RouterFault {
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
