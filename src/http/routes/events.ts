import type { Request, Response } from 'express';
import { callerBlock } from '../../lib/address.ts';
import { perObject } from '../../lib/per-object.ts';
import type { Transition } from '../../models/router-state.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewTransition } from '../views.ts';

/** Proxies and clients close connections that stay silent. */
const HEARTBEAT_MS = 15_000;
const MAX_STREAMS = 100;
const MAX_STREAMS_OF_ADDRESS = 10;
/** A client that falls behind by more than this is disconnected. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** `GET /api/v1/events`: every transition from now on, as server-sent events. Ends with `closing`. */
export function eventsRoute({ store, clock, closing }: Pick<AppParts, 'store' | 'clock' | 'closing'>) {
  /** Ends each open stream; with its client's address. */
  const open = new Map<() => void, string>();
  closing.addEventListener('abort', () => {
    for (const end of open.keys()) end();
  });
  // All streams send the same text.
  const textOf = perObject((transition: Transition) => JSON.stringify(viewTransition(transition, clock)));
  return (request: Request, response: Response) => {
    if (closing.aborted) throw new ProblemError(503, 'Shutting down');
    const address = callerBlock(request.socket.remoteAddress);
    refuseTooMany(response, [...open.values()], address);
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      'X-Accel-Buffering': 'no',
    });
    if (request.method === 'HEAD') return void response.end();
    response.write(': transitions of models and routers follow\n\n');
    const send = (text: string) => {
      response.write(text);
      if (response.writableLength <= MAX_UNREAD_BYTES) return;
      leave();
      response.destroy();
    };
    const stopListening = store.onTransition((transition) => send(`data: ${textOf(transition)}\n\n`));
    const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT_MS);
    // Before the response ends: a write after its end would be an unhandled error.
    const leave = () => {
      clearInterval(heartbeat);
      stopListening();
      open.delete(end);
    };
    const end = () => {
      leave();
      response.end();
    };
    open.set(end, address);
    response.on('close', leave);
  };
}

function refuseTooMany(response: Response, addresses: readonly string[], address: string): void {
  const isGreedy = addresses.filter((each) => each === address).length >= MAX_STREAMS_OF_ADDRESS;
  if (!isGreedy && addresses.length < MAX_STREAMS) return;
  response.set('Retry-After', '10');
  const detail = isGreedy
    ? `${address} has ${MAX_STREAMS_OF_ADDRESS} open streams, the most for one address: close one.`
    : `${MAX_STREAMS} streams are open, the most in total.`;
  throw new ProblemError(isGreedy ? 429 : 503, 'Too many event streams', detail);
}
