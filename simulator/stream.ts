import type { ServerResponse } from 'node:http';
import { type RouterEvent, renderEvent } from './event.ts';

/** `/models/sse`: everybody who listens, and ways of treating them badly. */
export interface EventStream {
  readonly listeners: number;
  send(event: RouterEvent): void;
  /** Sends any text to everybody, as it is. */
  sendRaw(text: string): void;
  /** Breaks every connection. Whoever connects again is served. */
  drop(): void;
  /** Half-open: who is connected now stays so and hears nothing any more. Whoever connects again is served. */
  freeze(): void;
}

export interface AttachableStream extends EventStream {
  attach(response: ServerResponse): void;
}

export function createEventStream(): AttachableStream {
  const connected = new Set<ServerResponse>();
  const frozen = new Set<ServerResponse>();

  function sendRaw(text: string): void {
    for (const response of connected) response.write(text);
  }

  return {
    get listeners() {
      return connected.size;
    },
    attach(response) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
      response.flushHeaders();
      connected.add(response);
      response.on('close', () => {
        connected.delete(response);
        frozen.delete(response);
      });
    },
    send: (event) => sendRaw(renderEvent(event)),
    sendRaw,
    drop() {
      for (const response of [...connected, ...frozen]) response.destroy();
    },
    freeze() {
      for (const response of connected) frozen.add(response);
      connected.clear();
    },
  };
}
