import type { Request, RequestHandler, Response } from 'express';
import { mediaTypeFault, parseJsonObject } from './json.ts';
import { type Problem, ProblemError } from './problem.ts';

const LARGEST_BYTES = 1024 * 1024;

/**
 * Makes what stands before a route that takes JSON, behind `mayAct`: `request.body` is the object of the body, `{}`
 * when there is none. Only what calls itself JSON is taken: forms of other sites cannot. express.json would answer
 * a body that is too large only when all of it has come.
 */
export function jsonBody(): RequestHandler {
  return async (request, response, next) => {
    const fault = isNothing(request) ? undefined : mediaTypeFault(request.headers);
    if (fault !== undefined) {
      throw new ProblemError({ status: 415, title: 'Unsupported media type', detail: `${fault}.` });
    }
    const bytes = await read(request, LARGEST_BYTES);
    if (bytes === 'gone') return;
    if (bytes === 'too large') throw unread(response, TOO_LARGE);
    const body = bytes.length > 0 ? parseJsonObject(bytes) : { value: {} };
    if ('wrong' in body) {
      const detail = `The body cannot be used: ${body.wrong}.`;
      throw new ProblemError({ status: 400, title: 'Bad body', detail });
    }
    request.body = body.value;
    next();
  };
}

/**
 * Makes what stands before a route that takes no body, behind `mayAct`. It acts when the request has come whole: one
 * that is cut off, or turns out to be none, is answered by an error. A body is refused, for what it says would be
 * overheard, such as which of all holds is meant; or `ignored`, as by Prometheus.
 */
export function noBody({ ignored = false } = {}): RequestHandler {
  return async (request, response, next) => {
    const bytes = await read(request, ignored ? LARGEST_BYTES : 0);
    if (bytes === 'gone') return;
    if (bytes === 'too large') throw unread(response, ignored ? TOO_LARGE : NOT_TAKEN);
    next();
  };
}

/** `curl -X POST` without more. */
function isNothing({ headers }: Request): boolean {
  const { 'content-type': type, 'content-length': length, 'transfer-encoding': chunked } = headers;
  return type === undefined && chunked === undefined && Number(length ?? 0) === 0;
}

/** The bytes of a body, `too large` as soon as there are more than `most`; `gone` when whoever sends it has gone, or was too slow for the server. */
function read(request: Request, most: number): Promise<Buffer | 'too large' | 'gone'> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const finish = (result: Buffer | 'too large' | 'gone') => {
      request.off('data', take);
      resolve(result);
    };
    const take = (part: Buffer) => {
      length += part.length;
      parts.push(part);
      if (length > most) finish('too large');
    };
    if (request.destroyed) return finish('gone');
    if (Number(request.headers['content-length'] ?? 0) > most) return finish('too large');
    request.on('data', take);
    request.once('end', () => finish(Buffer.concat(parts)));
    request.once('error', () => finish('gone'));
    request.once('close', () => finish('gone'));
  });
}

const TOO_LARGE = { status: 413, title: 'Body too large', detail: 'It may be at most 1 MiB.' };
const NOT_TAKEN = { status: 400, title: 'Bad body', detail: 'There is a body, and none is read here.' };

/** The rest is not read: the connection ends with the answer. */
function unread(response: Response, problem: Problem): ProblemError {
  response.set('Connection', 'close');
  return new ProblemError(problem);
}
