import type { IncomingMessage } from 'node:http';

/** Somebody was not let in, or not let act. */
export interface Refusal {
  readonly reason: 'unauthorized';
  readonly address: string | undefined;
  readonly method: string;
  /** Without the query, which may hold a credential. */
  readonly path: string;
  readonly why: string;
}

/** Enough to know the path by; what is longer is an attempt at something. */
const LONGEST_PATH = 200;

export function refusalOf(request: IncomingMessage, why: string): Refusal {
  const [path = ''] = (request.url ?? '').split('?');
  return {
    reason: 'unauthorized',
    address: request.socket.remoteAddress,
    method: request.method ?? '',
    path: path.slice(0, LONGEST_PATH),
    why,
  };
}
