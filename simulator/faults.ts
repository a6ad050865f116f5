import type { ServerResponse } from 'node:http';
import type { Clock } from '../src/lib/clock.ts';
import type { Answer } from './answer.ts';

/** What may go wrong with an answer. */
export type Fault =
  /** No answer, ever. */
  | { readonly kind: 'hang' }
  /** The connection is reset. */
  | { readonly kind: 'reset' }
  /** Another status; `body` is plain text. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string }
  /** 200, and the beginning of something that is no JSON. */
  | { readonly kind: 'garbage'; readonly body?: string }
  /** The right answer, after a while. */
  | { readonly kind: 'late'; readonly seconds: number }
  /** The right answer, its body dribbling for `seconds`. */
  | { readonly kind: 'slow_body'; readonly seconds: number }
  /** 200 and `bytes` of blanks, 64 MiB if not said otherwise. */
  | { readonly kind: 'huge_body'; readonly bytes?: number }
  /** An event stream that ends in the middle of its first event. */
  | { readonly kind: 'half_event' }
  /** 200 and no body. */
  | { readonly kind: 'empty' };

export type PlannedFault = Fault & {
  /** The exact path, or `*` for every one. */
  readonly on: string;
  /** Only requests with `?model=` of it. */
  readonly model?: string;
  /** How many requests suffer. Default 1. */
  readonly times?: number;
};

export interface Faults {
  /** Lets the next requests fail; what was planned first comes first. */
  next(fault: PlannedFault): void;
  /** Forgets what was planned. */
  clear(): void;
}

export interface TakeableFaults extends Faults {
  /** The fault this request must suffer, used up by asking. */
  take(path: string, model: string | null): Fault | undefined;
}

export function createFaults(): TakeableFaults {
  const planned: { fault: PlannedFault; left: number }[] = [];
  return {
    next: (fault) => planned.push({ fault, left: fault.times ?? 1 }),
    clear: () => planned.splice(0),
    take(path, model) {
      const at = planned.findIndex(
        ({ fault }) =>
          (fault.on === '*' || fault.on === path) && (fault.model === undefined || fault.model === model),
      );
      const found = planned[at];
      if (!found) return undefined;
      found.left -= 1;
      if (found.left <= 0) planned.splice(at, 1);
      return found.fault;
    },
  };
}

const DRIBBLES = 20;
const BLANKS = Buffer.alloc(64 * 1024, ' ');

/** Makes the response suffer `fault`. `answer` is asked only by faults that end in the right answer. */
export async function suffer(
  fault: Fault,
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
    case 'status':
      start(fault.status, 'text/plain').end(fault.body ?? `simulated fault ${fault.status}`);
      return;
    case 'garbage':
      start(200, 'application/json').end(fault.body ?? '{"data":[{"id":"ti');
      return;
    case 'empty':
      start(200, 'application/json').end();
      return;
    case 'half_event':
      start(200, 'text/event-stream').write('data: {"model":"half","event":"status_ch');
      await pause(0.01);
      response.destroy();
      return;
    case 'late':
      await pause(fault.seconds);
      return write(response, await answer());
    case 'slow_body': {
      const { status, type, body } = await answer();
      start(status, type);
      const size = Math.ceil(body.length / DRIBBLES);
      for (let at = 0; at < body.length && !response.destroyed; at += size) {
        response.write(body.slice(at, at + size));
        await pause(fault.seconds / DRIBBLES);
      }
      response.end();
      return;
    }
    case 'huge_body':
      start(200, 'application/json');
      for (
        let left = fault.bytes ?? 64 * 1024 * 1024;
        left > 0 && !response.destroyed;
        left -= BLANKS.length
      ) {
        const more = response.write(BLANKS.subarray(0, left));
        if (!more) await drained(response);
      }
      response.end();
      return;
  }
}

export function write(response: ServerResponse, { status, type, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** Resolves when there is room again, or nobody left to read. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
