import { Pool } from 'undici';
import { failed, ok } from '../lib/result.ts';
import type { Secret } from '../lib/secret.ts';
import type { Answer } from '../models/feed.ts';
import { faultOf } from './fault.ts';

/** One router's address, and how to talk to it. */
export interface Endpoint {
  /** With or without a base path; no trailing slash needed. */
  url: string;
  apiKey?: Secret;
  /** For a whole answer, from connecting to its last byte. */
  requestTimeoutMs: number;
}

export interface Response {
  status: number;
  contentType: string;
  body: string;
  /** What was asked, for messages. */
  url: string;
}

export interface OpenResponse {
  status: number;
  contentType: string;
  url: string;
  chunks: AsyncIterable<Uint8Array>;
  /** Lets go of the connection, whatever is still to come. */
  close(): void;
}

export interface RouterHttp {
  request(method: 'GET' | 'POST', path: string, options: RequestOptions): Promise<Answer<Response>>;
  /** An answer without end: resolves with its headers, within the request timeout. Ends with the signal. */
  open(path: string, signal: AbortSignal): Promise<Answer<OpenResponse>>;
  close(): Promise<void>;
}

export interface RequestOptions {
  signal: AbortSignal;
  /** Sent as JSON. */
  json?: unknown;
  /** A longer answer is given up as a bad one. */
  maxBytes?: number;
  timeoutMs?: number;
}

/** 5,000 models make a listing of about 3 MB. */
const MAX_BYTES = 32 * 1024 * 1024;

/** A connection pool of one router. No call throws: what goes wrong is a fault. */
export function createRouterHttp(endpoint: Endpoint): RouterHttp {
  const base = new URL(endpoint.url);
  const prefix = base.pathname.replace(/\/+$/, '');
  const pool = new Pool(base.origin, {
    connect: { timeout: endpoint.requestTimeoutMs, keepAlive: true, keepAliveInitialDelay: 15_000 },
    // llama-server closes an idle connection after 5 s: let go of it first.
    keepAliveTimeout: 4000,
    bodyTimeout: 0,
    headersTimeout: 0,
  });
  const headers = {
    accept: 'application/json',
    ...(endpoint.apiKey && { authorization: `Bearer ${endpoint.apiKey.reveal()}` }),
  };

  return {
    async request(method, path, options) {
      const url = `${base.origin}${prefix}${path}`;
      const deadline = startDeadline(options.signal, options.timeoutMs ?? endpoint.requestTimeoutMs);
      try {
        const {
          statusCode,
          headers: got,
          body,
        } = await pool.request({
          method,
          path: `${prefix}${path}`,
          headers: { ...headers, ...(options.json !== undefined && { 'content-type': 'application/json' }) },
          body: options.json === undefined ? null : JSON.stringify(options.json),
          signal: deadline.signal,
        });
        const maxBytes = options.maxBytes ?? MAX_BYTES;
        const text = await readBounded(body, maxBytes);
        if (text === undefined) {
          body.destroy();
          return failed({ kind: 'bad_answer', message: `${url} answers more than ${maxBytes} bytes` });
        }
        return ok({ status: statusCode, contentType: String(got['content-type'] ?? ''), body: text, url });
      } catch (error) {
        return failed(faultOf(error, url, deadline.passed()));
      } finally {
        deadline.stop();
      }
    },
    async open(path, signal) {
      const url = `${base.origin}${prefix}${path}`;
      const deadline = startDeadline(signal, endpoint.requestTimeoutMs);
      try {
        const {
          statusCode,
          headers: got,
          body,
        } = await pool.request({
          method: 'GET',
          path: `${prefix}${path}`,
          headers: { ...headers, accept: 'text/event-stream' },
          signal: deadline.signal,
        });
        deadline.stop();
        const close = () => body.destroy();
        body.on('error', () => {}); // Also reported to whoever reads the chunks.
        signal.addEventListener('abort', close, { once: true });
        const contentType = String(got['content-type'] ?? '');
        return ok({ status: statusCode, contentType, url, chunks: body, close });
      } catch (error) {
        return failed(faultOf(error, url, deadline.passed()));
      } finally {
        deadline.stop();
      }
    },
    close: () => pool.destroy(),
  };
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
  return { signal: controller.signal, stop, passed: () => (passed ? ms : undefined) };
}
