import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Answer } from '../../../simulator/answer.ts';
import { write } from '../../../simulator/server.ts';
import type { Clock } from '../../../src/lib/clock.ts';

/** What can go wrong with an answer. */
export type AnswerFault =
  /** No answer, ever. */
  | { readonly kind: 'hang' }
  /** The connection is reset. */
  | { readonly kind: 'reset' }
  /** 200 and text that is not JSON. */
  | { readonly kind: 'garbage' }
  /** The right answer, `seconds` later. */
  | { readonly kind: 'late'; readonly seconds: number }
  /** The right answer, its body in pieces over `seconds`. */
  | { readonly kind: 'slow_body'; readonly seconds: number }
  /** 200 and 100 MiB of blanks. */
  | { readonly kind: 'huge_body' }
  /** 200, half of a body, and then nothing more. */
  | { readonly kind: 'hang_body' }
  /** An event stream that sends half an event, and then nothing more. */
  | { readonly kind: 'half_event' }
  /** 500. */
  | { readonly kind: 'error' }
  /** 200 without a body. */
  | { readonly kind: 'empty' };

export type PlannedFault = AnswerFault & {
  /** The exact path, or `*` for every path. */
  readonly on: string;
  /** Only requests with this `?model=`. */
  readonly model?: string;
  /** How many requests fail. Default 1. */
  readonly times?: number;
};

export type Faults = ReturnType<typeof createFaults>;

export function createFaults() {
  const planned: { fault: PlannedFault; left: number }[] = [];
  return {
    /** Makes the next requests fail, in the order of planning. */
    next(fault: PlannedFault): void {
      planned.push({ fault, left: fault.times ?? 1 });
    },
    /** From now on no request fails. */
    clear(): void {
      planned.length = 0;
    },
    /** The fault for this request, which uses it up. */
    take(path: string, model: string | null): AnswerFault | undefined {
      const found = planned.find(
        ({ fault, left }) =>
          left > 0 && ['*', path].includes(fault.on) && [undefined, model].includes(fault.model),
      );
      if (found) found.left -= 1;
      return found?.fault;
    },
  };
}

const PIECES = 20;

/** Sends the faulty answer. `answer` is called only for faults that end in the right answer. */
export async function sendFault(
  fault: AnswerFault,
  response: ServerResponse,
  answer: () => Promise<Answer>,
  clock: Clock,
): Promise<void> {
  const pause = (seconds: number) => new Promise<void>((resolve) => clock.after(seconds * 1000, resolve));
  const start = (status: number, type: string) => response.writeHead(status, { 'Content-Type': type });
  switch (fault.kind) {
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'garbage':
      start(200, 'application/json').end('{"data":[{"id":"ti');
      return;
    case 'hang_body':
      start(200, 'application/json').write('{"data":[{"id":"ti');
      return;
    case 'half_event':
      start(200, 'text/event-stream').write('data: {"model":"ti');
      return;
    case 'error':
      start(500, 'application/json').end(
        '{"error":{"code":500,"message":"out of ideas","type":"server_error"}}',
      );
      return;
    case 'empty':
      start(200, 'application/json').end();
      return;
    case 'late':
      await pause(fault.seconds);
      return write(response, await answer());
    case 'slow_body': {
      const { status, type, body } = await answer();
      start(status, type);
      const size = Math.ceil(body.length / PIECES);
      for (let at = 0; at < body.length && !response.destroyed; at += size) {
        response.write(body.slice(at, at + size));
        await pause(fault.seconds / PIECES);
      }
      response.end();
      return;
    }
    case 'huge_body':
      start(200, 'application/json');
      await pipeline(Readable.from(blanks()), response).catch(() => {});
      return;
  }
}

function* blanks() {
  for (let mebibytes = 0; mebibytes < 100; mebibytes += 1) yield Buffer.alloc(1024 * 1024, ' ');
}
