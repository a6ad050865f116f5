import { isNativeError } from 'node:util/types';
import { DESCRIPTOR_REMEDY } from '../lib/error-code.ts';
import type { FaultKind, RouterFault } from '../models/feed.ts';
import type { RouterResponse } from './http.ts';

const REASONS = {
  ECONNREFUSED: 'refused',
  ENOENT: 'no_socket',
  ENOTDIR: 'no_socket',
  EACCES: 'no_permission',
  EPERM: 'no_permission',
  ENOTFOUND: 'unknown_host',
  EAI_AGAIN: 'no_name_server',
  EHOSTUNREACH: 'no_route',
  ENETUNREACH: 'no_route',
  EHOSTDOWN: 'no_route',
  ENETDOWN: 'no_route',
  ETIMEDOUT: 'no_connection',
  UND_ERR_CONNECT_TIMEOUT: 'no_connection',
  UND_ERR_HEADERS_TIMEOUT: 'no_answer',
  UND_ERR_BODY_TIMEOUT: 'no_answer',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  UND_ERR_SOCKET: 'closed',
  EPROTO: 'not_http',
  EMFILE: 'no_descriptor',
  ENFILE: 'no_descriptor',
} as const;

/** Why there was no HTTP answer, as far as the remedy differs. */
export type SilenceReason =
  | (typeof REASONS)[keyof typeof REASONS]
  | 'speaks_tls'
  | 'speaks_http'
  | 'certificate'
  | 'client_certificate'
  | 'other';

/** What the reasons are for an operator: the text follows the URL. Others are shown with the message of the error. */
const FAULTS: Partial<Record<SilenceReason, readonly [kind: FaultKind, text: string]>> = {
  refused: ['unreachable', ' refuses connections: is the server running there?'],
  no_socket: ['unreachable', ': the socket does not exist: is the server running there?'],
  no_permission: ['unreachable', ': permission denied'],
  unknown_host: ['unreachable', ': the host name cannot be resolved'],
  no_name_server: ['unreachable', ': the host name cannot be resolved'],
  no_descriptor: ['unreachable', ` was not asked: ${DESCRIPTOR_REMEDY}`],
  closed: ['unreachable', ' closed the connection before its answer was complete'],
  no_connection: ['timeout', ' did not answer in time'],
  no_answer: ['timeout', ' did not answer in time'],
  client_certificate: ['unreachable', ' requires a client certificate, which the exporter cannot send'],
  not_http: ['not_a_router', ' does not speak HTTP'],
};

interface Circumstances {
  timedOutAfterMs?: number | undefined;
  ca_file?: string | undefined;
}

/** Turns an error of undici into a fault with a message for the operator. */
export function faultOf(
  error: unknown,
  url: string,
  { timedOutAfterMs, ca_file }: Circumstances = {},
): RouterFault {
  if (timedOutAfterMs !== undefined) {
    return { kind: 'timeout', message: `${url} did not answer within ${timedOutAfterMs / 1000} s` };
  }
  const { why, detail, message } = silenceOf(error, true, false);
  if (why === 'not_http' && /^(EPROTO$|ERR_SSL_)/.test(detail)) {
    return { kind: 'unreachable', message: `${url} does not speak TLS: is it http:// instead of https://?` };
  }
  if (why === 'certificate') {
    return { kind: 'unreachable', message: `${url}: ${certificateFault(detail, message, ca_file)}` };
  }
  const [kind, text] = FAULTS[why] ?? ['unreachable', `: ${message}`];
  return { kind, message: `${url}${text}` };
}

function certificateFault(code: string, message: string, caFile: string | undefined): string {
  if (/HAS_EXPIRED|NOT_YET_VALID|ALTNAME_INVALID/.test(code)) return message;
  const ca = caFile === undefined ? 'its CA is not trusted: set ca_file' : `its CA is not in ${caFile}`;
  return `${ca} (${message})`;
}

/** The fault of an answer with an unexpected status. */
export function faultOfResponse(response: RouterResponse): RouterFault {
  const [kind, text] = describe(response);
  return { kind, message: `${response.url} answers ${response.status}${text}` };
}

function describe({ status, server, authenticate, body }: RouterResponse): [kind: FaultKind, text: string] {
  if (refusesHost(status, body)) {
    return ['bad_answer', ': it does not accept this Host header: set host_header'];
  }
  // llama-swap names only Basic, but takes a Bearer token as well.
  if (status === 401 && /^basic\b(?!.*llama-swap)/i.test(authenticate)) {
    return ['unauthorized', ': it requires a user and a password (username, password_file), or others'];
  }
  if (status === 401 || status === 403) {
    return ['unauthorized', ': it requires an API key (api_key), or another one'];
  }
  if (status === 404 || status === 405) {
    const prefix = server === 'llama.cpp' ? '. If it runs with --api-prefix, put that into the URL' : '';
    return ['not_a_router', `: not a llama-server in router mode${prefix}`];
  }
  const excerpt = body.replace(/\s+/g, ' ').trim().slice(0, 120);
  return ['bad_answer', excerpt && `: ${excerpt}`];
}

/** Whether a server refuses the `Host` header, as a guard against DNS rebinding does. */
export function refusesHost(status: number, body: string): boolean {
  return status === 421 || ((status === 400 || status === 403) && /\bhost(name)?s?\b/i.test(body));
}

/** What a network error means. `detail` is its code, or the data that came instead of HTTP, or its message. */
export function silenceOf(
  error: unknown,
  wasConnected: boolean,
  deadlinePassed: boolean,
): { why: SilenceReason; detail: string; message: string } {
  if (deadlinePassed) return { why: wasConnected ? 'no_answer' : 'no_connection', detail: '', message: '' };
  const { name, message, data, ...root } = rootOf(error);
  // The code of a DOMException is a number without meaning here; on Node 24 an abort is one.
  const code = typeof root.code === 'string' ? root.code : '';
  if (name === 'HTTPParserError') return { why: 'not_http', detail: data ?? code, message };
  return { why: reasonOf(code), detail: code || message, message };
}

function reasonOf(code: string): SilenceReason {
  // An alert comes from the server: it speaks TLS. One about a certificate means that of the client.
  if (/_ALERT_/.test(code)) return /CERT|UNKNOWN_CA/.test(code) ? 'client_certificate' : 'other';
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)/.test(code)) return 'certificate';
  if (code.startsWith('ERR_SSL_')) return 'not_http';
  return Object.hasOwn(REASONS, code) ? REASONS[code as keyof typeof REASONS] : 'other';
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
 * The innermost error, which has the code: undici wraps errors, and a host with several addresses fails once for
 * each. `instanceof` would miss errors of another realm.
 */
function rootOf(thrown: unknown): NetworkError {
  if (!isNativeError(thrown)) return { name: '', message: String(thrown) };
  const error: NetworkError = thrown as Error & NetworkError;
  const inner = error.errors?.[0] ?? error.cause;
  return isNativeError(inner) ? rootOf(inner) : error;
}
