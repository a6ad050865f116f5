import type { Request, Response } from 'express';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewTransition } from '../views.ts';

/** Proxies and clients take a silent connection for a dead one. */
const HEARTBEAT_MS = 15_000;
const MAX_LISTENERS = 100;
/** A client that reads slower than this piles up is let go: it may connect again. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** `GET /api/v1/events`: every transition as a server-sent event, from now on. Ends with `closing`. */
export function eventsRoute({ store, clock, closing }: Pick<AppParts, 'store' | 'clock' | 'closing'>) {
  /** How to end each stream that is open. */
  const open = new Set<() => void>();
  closing.addEventListener('abort', () => {
    for (const end of open) end();
  });
  return (request: Request, response: Response) => {
    if (closing.aborted) throw new ProblemError({ status: 503, title: 'Shutting down' });
    if (open.size >= MAX_LISTENERS) {
      throw new ProblemError({
        status: 503,
        title: 'Too many listeners',
        detail: `At most ${MAX_LISTENERS}.`,
      });
    }
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
    const stopListening = store.onTransition((transition) =>
      send(`data: ${JSON.stringify(viewTransition(transition, clock))}\n\n`),
    );
    const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT_MS);
    // Before the response ends, not after: writing to one that has ended is an error that nobody catches.
    const leave = () => {
      clearInterval(heartbeat);
      stopListening();
      open.delete(end);
    };
    const end = () => {
      leave();
      response.end();
    };
    open.add(end);
    response.on('close', leave);
  };
}
