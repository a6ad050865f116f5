import type { IncomingMessage } from 'node:http';
import type { AuthRefusal } from '../../activity/activity-log.ts';

/** Enough to know the path by; what is longer is an attempt at something. */
const LONGEST_PATH = 200;

export function refusalOf(request: IncomingMessage, why: string): AuthRefusal {
  const [path = ''] = (request.url ?? '').split('?');
  return {
    reason: 'unauthorized',
    address: request.socket.remoteAddress,
    method: request.method ?? '',
    path: path.slice(0, LONGEST_PATH),
    why,
  };
}
