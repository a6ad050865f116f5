import type { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { Client, type Dispatcher, Pool } from 'undici';
import { serverAddress, urlOfPath } from '../lib/address.ts';
import { failed, ok } from '../lib/result.ts';
import type { RouterAnswer } from '../models/feed.ts';
import { connectorOf, type Endpoint, headersOf } from './endpoint.ts';
import { faultOf } from './fault.ts';

// The HTTP parser of undici is WebAssembly. Node 20 optimizes it at once, which takes 0.1 s of CPU and delays the end of a
// short command by as much.
setFlagsFromString('--liftoff-only');

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
  const { origin, prefix } = address;
  const tuning = {
    connect: connectorOf(endpoint),
    // llama-server closes an idle connection after 5 s: close it first.
    keepAliveTimeout: 4000,
    // A stream may be silent; everything else has a deadline.
    bodyTimeout: 0,
    headersTimeout: 0,
  };
  const reads = new Pool(origin, { ...tuning, connections: 1 });
  const orders = new Pool(origin, tuning);
  const passedOn = new Pool(origin, tuning);
  const streams = new Set<Client>();
  const headers = { accept: 'application/json', ...headersOf(endpoint) };

  return {
    request(
      method: 'GET' | 'POST',
      path: string,
      { signal, json, maxBytes = MAX_BYTES, passedOn: isPassedOn = false, timeoutMs }: RequestOptions,
    ): Promise<RouterAnswer<RouterResponse>> {
      const pool = isPassedOn ? passedOn : method === 'GET' ? reads : orders;
      const content =
        json === undefined
          ? { headers }
          : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(json) };
      const options = { method, path, ...content, reset: isPassedOn };
      const limits = { signal, timeoutMs: timeoutMs ?? (isPassedOn ? modelTimeoutMs : requestTimeoutMs) };
      return send(pool, options, limits, async (head, chunks) => {
        const { text: body, cutOff } = await readBody(chunks, maxBytes);
        if (!cutOff) return ok({ ...head, body });
        return failed({ kind: 'bad_answer', message: `${head.url} answers more than ${maxBytes} bytes` });
      });
    },
    /** Opens an endless answer: resolves with its headers, within the request timeout. Ends with the signal. */
    async open(path: string, signal: AbortSignal): Promise<RouterAnswer<RouterStream>> {
      const connection = new Client(origin, tuning);
      streams.add(connection);
      const close = () => {
        signal.removeEventListener('abort', close);
        streams.delete(connection);
        void connection.destroy();
      };
      signal.addEventListener('abort', close);
      const options = { method: 'GET', path, headers: { ...headers, accept: 'text/event-stream' } } as const;
      const limits = { signal, timeoutMs: requestTimeoutMs };
      const stream = await send(connection, options, limits, (head, chunks) => {
        chunks.on('error', () => {}); // The reader of the chunks gets it too.
        return ok({ ...head, chunks, close });
      });
      if (!stream.ok) close();
      return stream;
    },
    async close() {
      await Promise.all([reads, orders, passedOn, ...streams].map((connection) => connection.destroy()));
    },
  };

  /** Sends a request and reads its answer with `read`, both within `timeoutMs`. */
  async function send<T>(
    connection: Dispatcher,
    options: Dispatcher.RequestOptions,
    { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
    read: (
      head: Omit<RouterResponse, 'body'>,
      chunks: Readable,
    ) => RouterAnswer<T> | Promise<RouterAnswer<T>>,
  ): Promise<RouterAnswer<T>> {
    const path = `${prefix}${options.path}`;
    const url = urlOfPath(address, options.path);
    const ending = new AbortController();
    const end = () => ending.abort();
    const ended = new Promise<never>((_, reject) => {
      ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
    });
    const timer = setTimeout(end, timeoutMs);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    try {
      const request = connection.request({ ...options, path, signal: ending.signal });
      // undici reacts to the signal only once the request has a connection.
      const response = await Promise.race([request, ended]);
      return await read({ ...headOf(response), url }, response.body);
    } catch (error) {
      const timedOutAfterMs = ending.signal.aborted && !signal.aborted ? timeoutMs : undefined;
      return failed(faultOf(error, url, { ...endpoint, timedOutAfterMs }));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }
}

export function headOf({ statusCode, headers }: Dispatcher.ResponseData): Head {
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
