import type { Agent, IncomingMessage } from 'node:http';
import { serverAddress, urlOfPath } from '../lib/address.ts';
import { failed, ok } from '../lib/result.ts';
import type { RouterAnswer } from '../models/feed.ts';
import { agentOf, type Endpoint, type HttpRequest, headersOf, send } from './endpoint.ts';
import { faultOf } from './fault.ts';

/** What comes before the body of an answer. */
export interface Head {
  status: number;
  contentType: string;
  /** The headers `Server`, `Location` and `WWW-Authenticate`; empty when absent. */
  server: string;
  location: string;
  authenticate: string;
}

/** `url` is the requested one, for messages. */
export interface RouterResponse extends Head {
  url: string;
  body: string;
}

export interface RouterStream extends Omit<RouterResponse, 'body'> {
  chunks: AsyncIterable<Uint8Array>;
  /** Closes the connection. */
  close(): void;
}

export type RouterHttp = ReturnType<typeof createRouterHttp>;

interface RequestOptions {
  signal: AbortSignal;
  /** Sent as JSON. */
  json?: unknown;
  /** A longer answer is a bad one. */
  maxBytes?: number;
  /**
   * The router passes the request on to a model, which may be slow, so it gets a connection of its own. The router
   * closes that connection after the answer without announcing it (b11669).
   */
  passedOn?: boolean;
  /** Default: that of the endpoint. */
  timeoutMs?: number | undefined;
}

/** A listing of 5,000 models has about 3 MB. */
export const MAX_BYTES = 32 * 1024 * 1024;

/**
 * The connections to one router: one for reads, one for orders, one for the event stream. No call throws.
 *
 * llama-server has few HTTP workers, each connection occupies one, and several opened
 * at the same moment may leave one unserved for seconds (measured on b11669 with 2 cores: with one stream and ten
 * listings at once, one connection took at most 18 ms, two and more took 3 s at times).
 */
export function createRouterHttp(endpoint: Endpoint) {
  const { requestTimeoutMs, modelTimeoutMs } = endpoint;
  const address = serverAddress(endpoint.url);
  const { prefix } = address;
  // llama-server closes an idle connection after 5 s: close it first.
  const reads = agentOf(endpoint, { maxSockets: 1, timeout: 4000 });
  const orders = agentOf(endpoint, { timeout: 4000 });
  /** For connections that serve one request only. */
  const single = agentOf(endpoint);
  const singly = { connection: 'close' };
  /** Ends what is not yet answered, and the streams. */
  const ends = new Set<() => void>();
  const headers = { accept: 'application/json', ...headersOf(endpoint) };

  return {
    request(
      method: 'GET' | 'POST',
      path: string,
      { signal, json, maxBytes = MAX_BYTES, passedOn: isPassedOn = false, timeoutMs }: RequestOptions,
    ): Promise<RouterAnswer<RouterResponse>> {
      const call: Omit<HttpRequest, 'signal'> = {
        method,
        path,
        headers: isPassedOn ? { ...headers, ...singly } : headers,
      };
      if (json !== undefined) {
        call.headers = { ...call.headers, 'content-type': 'application/json' };
        call.body = JSON.stringify(json);
      }
      const agent = isPassedOn ? single : method === 'GET' ? reads : orders;
      const limits = { signal, timeoutMs: timeoutMs ?? (isPassedOn ? modelTimeoutMs : requestTimeoutMs) };
      return exchange(agent, call, limits, async (head, chunks) => {
        const { text: body, cutOff } = await readBody(chunks, maxBytes);
        if (!cutOff) return ok({ ...head, body });
        return failed({ kind: 'bad_answer', message: `${head.url} answers more than ${maxBytes} bytes` });
      });
    },
    /** Opens an endless answer: resolves with its headers, within the request timeout. Ends with the signal. */
    async open(path: string, signal: AbortSignal): Promise<RouterAnswer<RouterStream>> {
      const call = {
        method: 'GET',
        path,
        headers: { ...headers, ...singly, accept: 'text/event-stream' },
      } as const;
      const limits = { signal, timeoutMs: requestTimeoutMs };
      return exchange(single, call, limits, (head, chunks) => {
        chunks.on('error', () => {}); // The reader of the chunks gets it too.
        const close = () => {
          signal.removeEventListener('abort', close);
          ends.delete(close);
          chunks.destroy();
        };
        ends.add(close);
        signal.addEventListener('abort', close);
        return ok({ ...head, chunks, close });
      });
    },
    async close() {
      for (const end of ends) end();
      for (const agent of [reads, orders, single]) agent.destroy();
    },
  };

  /** Sends a request and reads its answer with `read`, both within `timeoutMs`. */
  async function exchange<T>(
    agent: Agent,
    call: Omit<HttpRequest, 'signal'>,
    { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
    read: (
      head: Omit<RouterResponse, 'body'>,
      chunks: IncomingMessage,
    ) => RouterAnswer<T> | Promise<RouterAnswer<T>>,
  ): Promise<RouterAnswer<T>> {
    const path = `${prefix}${call.path}`;
    const url = urlOfPath(address, call.path);
    const ending = new AbortController();
    const end = () => ending.abort();
    const ended = new Promise<never>((_, reject) => {
      ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
    });
    let timedOutAfterMs: number | undefined;
    const timer = setTimeout(() => {
      timedOutAfterMs = timeoutMs;
      end();
    }, timeoutMs);
    ends.add(end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    try {
      const answer = send(agent, endpoint, { ...call, path, signal: ending.signal });
      // Node reacts to the signal only once the request has a connection.
      const response = await Promise.race([answer, ended]);
      return await read({ ...headOf(response), url }, response);
    } catch (error) {
      return failed(faultOf(error, url, { ...endpoint, timedOutAfterMs }));
    } finally {
      clearTimeout(timer);
      ends.delete(end);
      signal.removeEventListener('abort', end);
    }
  }
}

export function headOf({ statusCode = 0, headers }: IncomingMessage): Head {
  const header = (name: string) => String(headers[name] ?? '');
  return {
    status: statusCode,
    contentType: header('content-type'),
    server: header('server'),
    location: header('location'),
    authenticate: header('www-authenticate'),
  };
}

/** Reads a body up to `maxBytes`; leaving the loop closes the connection. */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ text: string; cutOff: boolean }> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  return { text: Buffer.concat(chunks).toString('utf8'), cutOff: bytes > maxBytes };
}
