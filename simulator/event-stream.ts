import type { ServerResponse } from 'node:http';

/** The connections to an endpoint of server-sent events. */
export type EventStream = ReturnType<typeof createEventStream>;

/** `greeting` is what a new connection gets first. */
export function createEventStream(greeting: () => string = () => '') {
  const connected = new Set<ServerResponse>();
  return {
    get listeners() {
      return connected.size;
    },
    attach(response: ServerResponse): void {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
      response.flushHeaders();
      response.write(greeting());
      connected.add(response);
      response.on('close', () => connected.delete(response));
    },
    write(text: string): void {
      for (const response of connected) response.write(text);
    },
    /** Ends every connection; new ones are accepted. */
    end(): void {
      for (const response of connected) response.end();
      connected.clear();
    },
  };
}
