import type { ServerResponse } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';
import type { Logger } from '../lib/logger.ts';

/** An error answer as RFC 9457 wants it. */
export const problem = z
  .object({
    type: z.literal('about:blank').exactOptional(),
    title: z.string(),
    status: z.number(),
    detail: z.string().exactOptional().meta({ description: 'What to do about it.' }),
  })
  .meta({ id: 'Problem' });

export type Problem = z.infer<typeof problem>;

/** Thrown by a route to answer with a problem. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** Answers with a problem; on a bare response too, before Express has seen it. */
export function sendProblem(response: ServerResponse, { status, title, detail }: Problem): void {
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status,
    ...(detail !== undefined && { detail }),
  });
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

/** The last handler: no such path. */
export function notFound(request: Request, response: Response): void {
  sendProblem(response, {
    status: 404,
    title: 'Not found',
    detail: `There is nothing at ${request.path}. See / for what is here.`,
  });
}

/** Answers the methods that a route does not have. */
export function methodNotAllowed(...allowed: string[]) {
  return (request: Request, response: Response) => {
    response.set('Allow', allowed.join(', '));
    sendProblem(response, {
      status: 405,
      title: 'Method not allowed',
      detail: `${request.method} ${request.path}: use ${allowed.join(' or ')}.`,
    });
  };
}

/** Express' error handler: problems as they are, the client's faults as 4xx, ours logged and without detail. */
export function problemHandler(log: Logger) {
  // Express tells an error handler by its four parameters.
  return (error: unknown, request: Request, response: Response, _next: NextFunction) => {
    if (response.headersSent) return response.destroy();
    if (error instanceof ProblemError) return sendProblem(response, error.problem);
    const status = statusOf(error);
    if (status !== undefined && status >= 400 && status < 500) {
      return sendProblem(response, { status, title: error instanceof Error ? error.message : 'Bad request' });
    }
    log.error('a request failed', {
      method: request.method,
      path: request.path,
      error: error instanceof Error ? error.stack : String(error),
    });
    return sendProblem(response, { status: 500, title: 'Internal error', detail: 'See the log.' });
  };
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}
