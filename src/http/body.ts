import type { IncomingHttpHeaders } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { ProblemError } from './problem.ts';

const MIB = 1024 * 1024;

/** A thousand alerts, as Grafana sends them with a text about each, are 3 MB. */
export const NOTIFICATION_BYTES = 8 * MIB;

/**
 * Makes the handler in front of a route that takes JSON, behind `requireWrite`: `request.body` becomes an object, `{}`
 * without a body. Only the media type of JSON is accepted, which forms of other sites cannot send. Refuses a large
 * body before it has arrived, unlike express.json.
 */
export function jsonBody(maxBytes = MIB): RequestHandler {
  const problem = tooLarge(maxBytes);
  return async (request, response, next) => {
    const fault = hasBody(request) ? mediaTypeFault(request.headers) : undefined;
    if (fault !== undefined) throw new ProblemError(415, 'Unsupported media type', `${fault}.`);
    const bytes = await read(request, response, maxBytes, problem);
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
export function withoutBody({ ignored }: { ignored: boolean }): RequestHandler {
  const [limit, problem] = ignored ? [MIB, tooLarge(MIB)] : [0, NOT_TAKEN];
  return async (request, response, next) => {
    if ((await read(request, response, limit, problem)) !== undefined) next();
  };
}

const NOT_TAKEN = new ProblemError(400, 'Bad body', 'This endpoint takes no request body.');

function tooLarge(limit: number): ProblemError {
  const more = limit === NOTIFICATION_BYTES ? ' Set max_alerts in the sender.' : '';
  return new ProblemError(413, 'Body too large', `The limit is ${limit / MIB} MiB.${more}`);
}

function hasBody({ headers }: Request): boolean {
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': chunked } = headers;
  return type !== undefined || chunked !== undefined || Number(length ?? 0) > 0;
}

/** The body; undefined when the client has gone. Throws `problem` as soon as the body exceeds `limit` bytes. */
async function read(
  request: Request,
  response: Response,
  limit: number,
  problem: ProblemError,
): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  const check = (bytes: number) => {
    if (bytes <= limit) return;
    // The rest of the body is not read, so the connection cannot be used again.
    response.set('Connection', 'close');
    throw problem;
  };
  try {
    check(Number(request.headers['content-length'] ?? 0));
    // A destroyed request could not be answered.
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      length += part.length;
      check(length);
      parts.push(part);
    }
  } catch (error) {
    if (error === problem) throw error;
    return undefined;
  }
  return Buffer.concat(parts);
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
  return new ProblemError(400, 'Bad body', `The body is ${why}.`);
}
