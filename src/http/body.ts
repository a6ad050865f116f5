import type { IncomingHttpHeaders } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { ProblemError } from './problem.ts';

const MAX_BYTES = 1024 * 1024;

/**
 * Makes the handler in front of a route that takes JSON, behind `requireWrite`: `request.body` becomes an object, `{}`
 * without a body. Only the media type of JSON is accepted, which forms of other sites cannot send. Refuses a large
 * body before it has arrived, unlike express.json.
 */
export function jsonBody(): RequestHandler {
  return async (request, response, next) => {
    const fault = hasBody(request) ? mediaTypeFault(request.headers) : undefined;
    if (fault !== undefined) {
      throw new ProblemError({ status: 415, title: 'Unsupported media type', detail: `${fault}.` });
    }
    const bytes = await read(request, response, MAX_BYTES, TOO_LARGE);
    if (bytes === undefined) return;
    request.body = bytes.length > 0 ? parseJsonObject(bytes) : {};
    next();
  };
}

/**
 * Makes the handler in front of a route without a body, behind `requireWrite`. It waits until the request is
 * complete, so that a request that is cut off does nothing. A body is refused, because its content would have no
 * effect, or `ignored`, as Prometheus does.
 */
export function withoutBody({ ignored = false } = {}): RequestHandler {
  return async (request, response, next) => {
    const limit = ignored ? MAX_BYTES : 0;
    if ((await read(request, response, limit, ignored ? TOO_LARGE : NOT_TAKEN)) !== undefined) next();
  };
}

const TOO_LARGE = { status: 413, title: 'Body too large', detail: 'The limit is 1 MiB.' };
const NOT_TAKEN = { status: 400, title: 'Bad body', detail: 'This endpoint takes no request body.' };

function hasBody({ headers }: Request): boolean {
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': chunked } = headers;
  return type !== undefined || chunked !== undefined || Number(length ?? 0) > 0;
}

/** The body; undefined when the client has gone. Throws `problem` as soon as the body exceeds `limit` bytes. */
async function read(
  request: Request,
  response: Response,
  limit: number,
  problem: ConstructorParameters<typeof ProblemError>[0],
): Promise<Buffer | undefined> {
  const bytes = await new Promise<Buffer | 'gone' | 'too large'>((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const finish = (result: Buffer | 'gone' | 'too large') => {
      request.off('data', take);
      resolve(result);
    };
    const take = (part: Buffer) => {
      length += part.length;
      parts.push(part);
      if (length > limit) finish('too large');
    };
    if (request.destroyed) return finish('gone');
    if (Number(request.headers['content-length'] ?? 0) > limit) return finish('too large');
    request.on('data', take);
    request.once('end', () => finish(Buffer.concat(parts)));
    request.once('error', () => finish('gone'));
    request.once('close', () => finish('gone'));
  });
  if (bytes === 'gone') return undefined;
  if (bytes !== 'too large') return bytes;
  // The rest of the body is not read, so the connection cannot be used again.
  response.set('Connection', 'close');
  throw new ProblemError(problem);
}

/** Why a body with these headers is refused; undefined when it is not. */
export function mediaTypeFault(headers: IncomingHttpHeaders): string | undefined {
  const { 'content-type': contentType, 'content-encoding': encoding = 'identity' } = headers;
  if (encoding.toLowerCase() !== 'identity') {
    return `Content-Encoding is ${encoding}: send the body uncompressed`;
  }
  if (contentType === undefined) return 'Content-Type is missing: send application/json';
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  if (type !== 'application/json') return `Content-Type is ${type}: send application/json`;
  const other = parameters.find((parameter) => !/^(charset="?utf-8"?)?$/.test(parameter));
  return other === undefined ? undefined : `Content-Type has ${other}: send UTF-8`;
}

/** Parses a body as a JSON object in UTF-8. Leaves out keys `__proto__`: copying one would change a prototype. */
export function parseJsonObject(bytes: Uint8Array): object {
  const value = parse(decode(bytes));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badBody('not a JSON object');
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badBody('not UTF-8');
  }
}

/** Matches `__proto__` and escapes of its letters: a reviver takes twenty times as long as plain parsing. */
const MAY_BE_PROTO = /__proto__|\\u00(?:5f|70|72|6f|74)/i;

function parse(text: string): unknown {
  try {
    if (!MAY_BE_PROTO.test(text)) return JSON.parse(text);
    return JSON.parse(text, (key, inner) => (key === '__proto__' ? undefined : inner));
  } catch {
    // The message of the engine would repeat parts of the body.
    throw badBody('not valid JSON');
  }
}

function badBody(why: string): ProblemError {
  return new ProblemError({ status: 400, title: 'Bad body', detail: `The body is ${why}.` });
}
