import { isNativeError } from 'node:util/types';

/** Why there was no answer in HTTP, told apart as far as what to do about it differs. */
export type Why =
  | 'refused'
  | 'unknown_host'
  | 'no_name_server'
  | 'no_route'
  | 'no_connection'
  | 'no_answer'
  | 'closed'
  | 'not_http'
  | 'speaks_tls'
  | 'speaks_http'
  | 'certificate'
  | 'other';

/**
 * What an error of the network means. `detail` is its code, or what came instead of HTTP, or its message;
 * `message` is its own.
 */
export function silenceOf(
  error: unknown,
  wasConnected: boolean,
  deadlinePassed: boolean,
): { why: Why; detail: string; message: string } {
  if (deadlinePassed) return { why: wasConnected ? 'no_answer' : 'no_connection', detail: '', message: '' };
  const { name, message, data, ...root } = rootOf(error);
  // That of a DOMException is a number and tells nothing. On Node 24 an abort is such an error.
  const code = typeof root.code === 'string' ? root.code : '';
  if (name === 'HTTPParserError') return { why: 'not_http', detail: data ?? code, message };
  return { why: whyOf(code), detail: code || message, message };
}

function whyOf(code: string): Why {
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)/.test(code)) return 'certificate';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return 'not_http';
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ENOTFOUND':
      return 'unknown_host';
    case 'EAI_AGAIN':
      return 'no_name_server';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
      return 'no_route';
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return 'no_connection';
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'no_answer';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'closed';
    default:
      return 'other';
  }
}

/** As Node and undici throw it: `data` is what came instead of HTTP. */
interface NetworkError {
  name: string;
  message: string;
  code?: unknown;
  data?: string;
  cause?: NetworkError;
  /** One for each address of the host. */
  errors?: NetworkError[];
}

/**
 * undici wraps, and a host with several addresses fails once for each: the innermost first one has the code.
 * `instanceof` would miss errors of another realm.
 */
function rootOf(thrown: unknown): NetworkError {
  if (!isNativeError(thrown)) return { name: '', message: String(thrown) };
  const error: NetworkError = thrown as Error & NetworkError;
  const inner = error.errors?.[0] ?? error.cause;
  return isNativeError(inner) ? rootOf(inner) : error;
}
