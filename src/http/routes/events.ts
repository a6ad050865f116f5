import type { Request, Response } from 'express';
import type { Transition } from '../../models/belief.ts';
import { ProblemError } from '../problem.ts';
import { viewTransition } from '../views.ts';

/** Proxies and clients take a silent connection for a dead one. */
const HEARTBEAT_MS = 15_000;
const MAX_LISTENERS = 100;
/** A client that reads slower than this piles up is let go: it may connect again. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** `GET /api/v1/events`: every transition as a server-sent event, from now on. Ends with `closing`. */
export function eventsRoute(
  onTransition: (listener: (t: Transition) => void) => () => void,
  closing: AbortSignal,
) {
  let listeners = 0;
  return (request: Request, response: Response) => {
    if (listeners >= MAX_LISTENERS) {
      throw new ProblemError({
        status: 503,
        title: 'Too many listeners',
        detail: `At most ${MAX_LISTENERS}.`,
      });
    }
    listeners += 1;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      'X-Accel-Buffering': 'no',
    });
    response.write(': transitions of models and routers follow\n\n');
    const send = (text: string) => {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(text);
    };
    const stopListening = onTransition((transition) =>
      send(`data: ${JSON.stringify(viewTransition(transition))}\n\n`),
    );
    const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT_MS);
    const end = () => response.end();
    closing.addEventListener('abort', end, { once: true });
    request.on('close', () => {
      listeners -= 1;
      clearInterval(heartbeat);
      stopListening();
      closing.removeEventListener('abort', end);
    });
  };
}
