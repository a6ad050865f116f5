import { Client, Pool } from 'undici';
import { createMutex, type Mutex } from '../../lib/concurrency.ts';
import { failed, ok } from '../../lib/result.ts';
import type { Secret } from '../../lib/secret.ts';
import type { RouterAnswer } from '../../models/feed.ts';
import { authorizationOf } from './authorization.ts';
import { faultOf } from './fault.ts';

/** One router's address, and how to talk to it. */
export interface Endpoint {
  /** With or without a base path; no trailing slash needed. */
  url: string;
  apiKey?: Secret | undefined;
  /** For a whole answer, from connecting to its last byte. */
  requestTimeoutMs: number;
  /** The same for a question about a model, which the model itself answers. */
  modelTimeoutMs: number;
}

export interface RouterResponse {
  status: number;
  contentType: string;
  body: string;
  /** What was asked, for messages. */
  url: string;
}

export interface RouterStream {
  status: number;
  contentType: string;
  url: string;
  chunks: AsyncIterable<Uint8Array>;
  /** Lets go of the connection, whatever is still to come. */
  close(): void;
}

export interface RouterHttp {
  request(
    method: 'GET' | 'POST',
    path: string,
    options: RequestOptions,
  ): Promise<RouterAnswer<RouterResponse>>;
  /** An answer without end: resolves with its headers, within the request timeout. Ends with the signal. */
  open(path: string, signal: AbortSignal): Promise<RouterAnswer<RouterStream>>;
  /** Runs work with orders one piece after the other. */
  exclusive: Mutex;
  close(): Promise<void>;
}

export interface RequestOptions {
  signal: AbortSignal;
  /** Sent as JSON. */
  json?: unknown;
  /** A longer answer is given up as a bad one. */
  maxBytes?: number;
  /**
   * The router passes it on to a model, which may be slow: it waits on a connection of its own, which the
   * router closes after the answer although it does not say so (b11669).
   */
  passedOn?: boolean;
}

/** 5,000 models make a listing of about 3 MB. */
const MAX_BYTES = 32 * 1024 * 1024;

/** An order that is not answered sooner lets the next one go, on another connection. */
const PATIENCE_MS = 500;

/**
 * The connections to one router. No call throws: what goes wrong is a fault.
 *
 * There are three: one for questions, one for orders, one for the event stream. Orders go one after the other
 * (`exclusive`), but do not wait for one that is answered seconds late, as by a router that is stopping a busy model.
 * llama-server has few HTTP workers, each connection holds one, and several that are opened at the same moment
 * can leave one of them unserved for seconds (measured on b11669 with 2 cores: with one stream and ten listings
 * at once, one connection never took more than 18 ms; from two connections on some took 3 s and more).
 */
export function createRouterHttp(endpoint: Endpoint): RouterHttp {
  const base = new URL(endpoint.url);
  const prefix = base.pathname.replace(/\/+$/, '');
  const tuning = {
    connect: { timeout: endpoint.requestTimeoutMs, keepAlive: true, keepAliveInitialDelay: 15_000 },
    // llama-server closes an idle connection after 5 s: let go of it first.
    keepAliveTimeout: 4000,
    // Silence is no fault of a stream; everything else has a deadline of its own.
    bodyTimeout: 0,
    headersTimeout: 0,
  };
  const questions = new Pool(base.origin, { ...tuning, connections: 1 });
  const orders = new Pool(base.origin, tuning);
  const passedOn = new Pool(base.origin, tuning);
  const headers = {
    accept: 'application/json',
    ...authorizationOf(endpoint.apiKey),
  };
  const streams = new Set<Client>();

  return {
    request: send,
    exclusive: createMutex(PATIENCE_MS),
    async open(path, signal) {
      const url = `${base.origin}${prefix}${path}`;
      const deadline = startDeadline(signal, endpoint.requestTimeoutMs);
      const connection = new Client(base.origin, tuning);
      streams.add(connection);
      const close = () => {
        signal.removeEventListener('abort', close);
        streams.delete(connection);
        void connection.destroy();
      };
      signal.addEventListener('abort', close);
      try {
        const asked = connection.request({
          method: 'GET',
          path: `${prefix}${path}`,
          headers: { ...headers, accept: 'text/event-stream' },
          signal: deadline.signal,
        });
        const { statusCode, headers: got, body } = await deadline.orAbort(asked);
        body.on('error', () => {}); // Also reported to whoever reads the chunks.
        return ok({ status: statusCode, contentType: contentTypeOf(got), url, chunks: body, close });
      } catch (error) {
        close();
        return failed(faultOf(error, url, deadline.passed()));
      } finally {
        deadline.stop();
      }
    },
    async close() {
      await Promise.all([questions, orders, passedOn, ...streams].map((connection) => connection.destroy()));
    },
  };

  async function send(
    method: 'GET' | 'POST',
    path: string,
    options: RequestOptions,
  ): Promise<RouterAnswer<RouterResponse>> {
    const url = `${base.origin}${prefix}${path}`;
    const { requestTimeoutMs, modelTimeoutMs } = endpoint;
    const deadline = startDeadline(options.signal, options.passedOn ? modelTimeoutMs : requestTimeoutMs);
    try {
      const pool = options.passedOn ? passedOn : method === 'GET' ? questions : orders;
      const asked = pool.request({
        method,
        path: `${prefix}${path}`,
        headers: { ...headers, ...(options.json !== undefined && { 'content-type': 'application/json' }) },
        body: options.json === undefined ? null : JSON.stringify(options.json),
        reset: options.passedOn === true,
        signal: deadline.signal,
      });
      const answer = await deadline.orAbort(asked);
      const maxBytes = options.maxBytes ?? MAX_BYTES;
      const text = await readBounded(answer.body, maxBytes);
      if (text === undefined) {
        answer.body.destroy();
        return failed({ kind: 'bad_answer', message: `${url} answers more than ${maxBytes} bytes` });
      }
      return ok({ status: answer.statusCode, contentType: contentTypeOf(answer.headers), body: text, url });
    } catch (error) {
      return failed(faultOf(error, url, deadline.passed()));
    } finally {
      deadline.stop();
    }
  }
}

function contentTypeOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return String(headers['content-type'] ?? '');
}

async function readBounded(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A signal that also aborts when the time is up, and knows whether that was the reason. */
function startDeadline(signal: AbortSignal, ms: number) {
  const controller = new AbortController();
  let passed = false;
  const stop = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  };
  const abort = () => controller.abort();
  const timer = setTimeout(() => {
    passed = true;
    controller.abort();
  }, ms);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    stop,
    passed: () => (passed ? ms : undefined),
    /** undici hears an abort only once a request has its connection: until then it would wait for that. */
    orAbort<T>(asked: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const giveUp = () => reject(controller.signal.reason);
        if (controller.signal.aborted) giveUp();
        controller.signal.addEventListener('abort', giveUp, { once: true });
        asked.then(resolve, reject);
      });
    },
  };
}
