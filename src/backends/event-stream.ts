import { createParser } from 'eventsource-parser';
import type { StreamEnd } from '../models/feed.ts';
import { faultOf, faultOfResponse } from './fault.ts';
import type { RouterHttp } from './http.ts';

/**
 * More bytes without the end of an event are no event stream. A `loaded` event of llama-server has about 500 bytes, a list of
 * 5,000 models of llama-swap about 1 MB.
 */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/**
 * Follows an event stream until it ends, fails or the signal aborts, and passes on the data of each event. llama-server
 * sends its headers at once, so `opened` is called before the first event. It never sends a heartbeat (b11669), so a
 * silent stream may be dead.
 */
export async function followEvents(
  http: RouterHttp,
  path: string,
  signal: AbortSignal,
  opened: () => void,
  event: (data: string) => void,
): Promise<StreamEnd> {
  const answer = await http.open(path, signal);
  if (!answer.ok) return { kind: 'fault', fault: answer.fault };
  const { status, contentType, url, chunks, close } = answer.value;
  if (status === 401 || status === 403 || status >= 500) {
    close();
    return { kind: 'fault', fault: faultOfResponse({ ...answer.value, body: '' }) };
  }
  if (status !== 200 || !/^text\/event-stream\b/i.test(contentType)) {
    close();
    return { kind: 'unsupported' };
  }

  let pendingBytes = 0;
  const parser = createParser({
    onEvent: ({ data }) => {
      pendingBytes = 0;
      event(data);
    },
    onComment: () => {
      pendingBytes = 0; // The heartbeat of a proxy.
    },
  });
  const decoder = new TextDecoder();
  const reader = chunks[Symbol.asyncIterator]();
  try {
    opened();
    for (;;) {
      // Only an error of reading is caught: one of `event` is a programming error.
      const next = await reader.next().catch((error: unknown) => faultOf(error, url));
      if ('kind' in next) return signal.aborted ? { kind: 'ended' } : { kind: 'fault', fault: next };
      if (next.done) return { kind: 'ended' };
      pendingBytes += next.value.length;
      parser.feed(decoder.decode(next.value, { stream: true }));
      if (pendingBytes > MAX_EVENT_BYTES) {
        const message = `${url} sent ${MAX_EVENT_BYTES} bytes without the end of an event`;
        return { kind: 'fault', fault: { kind: 'bad_answer', message } };
      }
    }
  } finally {
    close();
  }
}
