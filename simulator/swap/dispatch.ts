import type { ServerResponse } from 'node:http';
import type { Clock } from '../../src/lib/clock.ts';
import type { Answer } from '../answer.ts';
import type { Generation } from '../engine.ts';
import { completionAnswer } from '../model-answers.ts';
import { type Served, type SimulatorRequest, write } from '../server.ts';
import type { Scheduler } from './scheduler.ts';
import { badGateway, swapError } from './swap-answers.ts';
import type { SwapEvents } from './swap-events.ts';
import type { SwapProcess } from './swap-process.ts';

/** `killed`: the model's process ended first, or the client went. */
export type SwapRequestEnd = 'done' | 'killed' | 'failed' | 'unloaded' | 'gone';

const CHUNK_INTERVAL_MS = 250;

/** Has models serve requests, and reports these as in flight. */
export type Dispatch = ReturnType<typeof createDispatch>;

export function createDispatch(
  clock: Clock,
  scheduler: Scheduler,
  inFlight: ReturnType<typeof createInFlight>,
  events: SwapEvents,
) {
  return { serve, complete };

  /**
   * Loads the model if needed and has it generate. `onChunk` is called at the start of the answer and while it lasts,
   * and returns its length so far. Without it the answer is sent as a whole.
   */
  async function serve(
    process: SwapProcess,
    generation: Generation,
    path: string,
    gone?: AbortSignal,
    onChunk?: () => number,
  ): Promise<SwapRequestEnd> {
    const request = inFlight.begin(process.description.id, path);
    let cancel = () => {};
    const answer = () => {
      // A process told to stop generates no longer.
      if (onChunk && process.state === 'ready') request.answering(onChunk());
      cancel = clock.after(CHUNK_INTERVAL_MS, answer);
    };
    try {
      const admission = await scheduler.admit(process, gone);
      if (admission !== 'ready') return admission;
      if (onChunk) answer();
      const end = await process.generate(generation, gone);
      void scheduler.done(process);
      return end;
    } finally {
      cancel();
      if (!onChunk) request.answering(0);
      request.end();
      events.activity(Number(request.id));
    }
  }

  /** A request for a completion, with the client's view of its end. */
  function complete(
    { path }: SimulatorRequest,
    process: SwapProcess,
    generation: Generation,
    streams: boolean,
  ): Served {
    return (response) => {
      const client = createClient(response, process.description.id);
      void serve(process, generation, path, client.gone, streams ? client.chunk : undefined).then((end) => {
        if (end !== 'done') return client.fail(errorOf(end));
        const created = Math.floor(clock.wall() / 1000);
        client.finish(completionAnswer(path, process.description, generation, created));
      });
    };
  }
}

/** The requests under way; `publish` gets the data of each `inflight` message. */
export function createInFlight(clock: Clock, publish: (data: object) => void) {
  const requests = new Map<string, object>();
  let count = 0;
  return {
    snapshot(): object {
      const operation = 'snapshot';
      return requests.size === 0 ? { operation } : { operation, requests: [...requests.values()] };
    },
    /** A request from its arrival to its answer. */
    begin(model: string, path: string) {
      count += 1;
      const id = String(count);
      const began = clock.now();
      const report = (bytes: number, isAnswered: boolean) => {
        const request = {
          id,
          timestamp: new Date(clock.wall(began)).toISOString(),
          model,
          req_path: path,
          method: 'POST',
          req_headers: { 'Content-Type': 'application/json' },
          remote_ip: '127.0.0.1',
          resp_headers: isAnswered ? { 'Content-Type': 'application/json', Server: 'llama.cpp' } : {},
          resp_bytes: bytes,
          elapsed_ms: Math.round(clock.now() - began),
        };
        requests.set(id, request);
        publish({ operation: 'upsert', request });
      };
      report(0, false);
      return {
        id,
        /** Reports an answer that has begun, or more of it. */
        answering: (bytes: number) => report(bytes, true),
        end() {
          requests.delete(id);
          publish({ operation: 'remove', id });
        },
      };
    },
  };
}

function errorOf(end: Exclude<SwapRequestEnd, 'done'>): Answer {
  if (end === 'failed') return swapError(500, 'unspecific error: upstream command exited prematurely');
  if (end === 'unloaded') return swapError(500, 'unspecific error: group: model unloaded');
  return badGateway;
}

/** The answer to one client, whole or as a stream of chunks. */
function createClient(response: ServerResponse, model: string) {
  const hangUp = new AbortController();
  response.on('close', () => hangUp.abort());
  let bytes = 0;
  return {
    gone: hangUp.signal,
    chunk(): number {
      if (response.destroyed) return bytes;
      if (bytes === 0) response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const choices = [{ finish_reason: null, index: 0, delta: { content: 'la ' } }];
      const text = `data: ${JSON.stringify({ choices, model, object: 'chat.completion.chunk' })}\n\n`;
      bytes += text.length;
      response.write(text);
      return bytes;
    },
    finish(answer: Answer): void {
      if (bytes > 0) response.end('data: [DONE]\n\n');
      else write(response, answer);
    },
    /** A stream that has begun ends as if it were complete, only without `[DONE]`. */
    fail(error: Answer): void {
      if (bytes > 0) response.end();
      else write(response, error);
    },
  };
}
